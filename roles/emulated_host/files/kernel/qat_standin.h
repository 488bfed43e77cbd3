/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stand-ins for the QAT drivers, for functions dressed up by qat_emulation. The
 * real drivers talk to an accelerator that is not there and would fail their
 * probe.
 *
 * A wrapper of a few lines, named like the real module, defines
 *
 *	STANDIN_DRIVER	name of the PCI driver, as in sysfs
 *	STANDIN_DEVICE	PCI device id
 *	STANDIN_PF	for the driver of the physical function
 *	STANDIN_GEN4	for a PF of generation 4
 *
 * and includes this file. STANDIN_OUT_OF_TREE, from the Makefile, makes it play
 * the vendor's package in place of the kernel's own driver: that has no
 * attributes in qat/, its services stand in files below /etc.
 *
 * What the kernel's driver does was read in Linux,
 * drivers/crypto/intel/qat/qat_common: adf_sriov.c, adf_sysfs.c, adf_init.c,
 * adf_cfg_services.c, adf_gen4_config.c, as of 6.12 where nothing else is said.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/string_choices.h>

#define STANDIN_NOTE "EMULATED by hwaccel.virt's emulated host: no accelerator behind it"

#ifdef STANDIN_PF

/*
 * Habits of the real driver, to be changed while the module is loaded under
 * /sys/module/MODULE/parameters.
 */

/* The vendor's package honours the number from generation 4 on. */
#if defined(STANDIN_OUT_OF_TREE) && defined(STANDIN_GEN4)
static bool ignore_vf_count;
#else
static bool ignore_vf_count = true;
#endif
module_param(ignore_vf_count, bool, 0644);
MODULE_PARM_DESC(ignore_vf_count, "create all VFs whatever number is asked for, as the in-tree driver does");

static bool refuse_zero;
module_param(refuse_zero, bool, 0644);
MODULE_PARM_DESC(refuse_zero, "refuse to remove VFs through sriov_numvfs, as the in-tree driver did before 6.12");

static bool fail_probe;
module_param(fail_probe, bool, 0644);
MODULE_PARM_DESC(fail_probe, "fail the probe, as the in-tree driver does without its firmware");

static bool in_use;
module_param(in_use, bool, 0644);
MODULE_PARM_DESC(in_use, "be busy, as while the kernel's own crypto uses the device");

static bool need_iommu;
module_param(need_iommu, bool, 0644);
MODULE_PARM_DESC(need_iommu, "refuse to make VFs where no IOMMU maps the device, as some releases from 6.12 on do");

#if defined(STANDIN_GEN4) && !defined(STANDIN_OUT_OF_TREE)
#define STANDIN_SERVICES
#endif

struct standin {
	struct mutex lock;	/* of everything below */
	bool up;
#ifdef STANDIN_SERVICES
	int id;
	bool auto_reset;
	char services[16];
#endif
};

static int standin_disable_vfs(struct pci_dev *pdev, struct standin *standin)
{
	if (refuse_zero)
		return -EINVAL;
	if (in_use) {
		pci_err(pdev, "Cannot disable SR-IOV, device in use\n");
		return -EBUSY;
	}
	/* VFs that a guest holds through Xen-style assignment stay. */
	if (pci_vfs_assigned(pdev))
		return -EBUSY;
	pci_disable_sriov(pdev);
	standin->up = true;
	return 0;
}

static int standin_enable_vfs(struct pci_dev *pdev, struct standin *standin, int wanted)
{
	int vfs = ignore_vf_count ? pci_sriov_get_totalvfs(pdev) : wanted;
	int ret;

	if (!device_iommu_mapped(&pdev->dev)) {
		pci_warn(pdev, "IOMMU should be enabled for SR-IOV to work correctly\n");
		if (need_iommu)
			return -EINVAL;
	}
	if (standin->up && in_use) {
		pci_err(pdev, "Device busy\n");
		return -EBUSY;
	}
	/* The driver takes the device down and up: a device that was down comes up. */
	standin->up = true;
	ret = pci_enable_sriov(pdev, vfs);
	return ret ? ret : vfs;
}

static int standin_sriov_configure(struct pci_dev *pdev, int wanted)
{
	struct standin *standin = pci_get_drvdata(pdev);

	guard(mutex)(&standin->lock);
	if (!wanted)
		return standin_disable_vfs(pdev, standin);
	return standin_enable_vfs(pdev, standin, wanted);
}

#ifdef STANDIN_SERVICES

/*
 * The in-tree driver counts over all its devices; here each module counts its
 * own. Devices with an even number do cryptography by default, odd ones
 * compression.
 */
static DEFINE_IDA(standin_numbers);

static bool own_order = true;
module_param(own_order, bool, 0644);
MODULE_PARM_DESC(own_order, "give services back in the driver's own order, as since 6.16, and not as they were written");

/* In the driver's own order. */
static const char * const standin_services[] = { "asym", "sym", "dc", "dcc" };
#define STANDIN_DCC	BIT(3)
#define STANDIN_MOST	2	/* services at a time */

/* Read a list of services as "sym;dc" into a mask. */
static int standin_parse_services(const char *text, unsigned long *mask)
{
	char copy[sizeof_field(struct standin, services)];
	char *rest = copy, *word;
	int service;

	if (strscpy(copy, text, sizeof(copy)) < 0)
		return -EINVAL;
	*mask = 0;
	while ((word = strsep(&rest, ";"))) {
		service = sysfs_match_string(standin_services, word);
		if (service < 0 || __test_and_set_bit(service, mask))
			return -EINVAL;
	}
	if (hweight_long(*mask) > STANDIN_MOST)
		return -EINVAL;
	/* Compression with its chained form in one goes with nothing else. */
	if (*mask & STANDIN_DCC && *mask != STANDIN_DCC)
		return -EINVAL;
	return 0;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct standin *standin = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", standin->up ? "up" : "down");
}

static ssize_t state_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	static const char * const states[] = { "down", "up" };
	struct standin *standin = dev_get_drvdata(dev);
	int up;

	if (in_use) {
		dev_info(dev, "Device qat_dev%d is busy\n", standin->id);
		return -EBUSY;
	}
	up = sysfs_match_string(states, buf);
	if (up < 0)
		return up;
	guard(mutex)(&standin->lock);
	/*
	 * On the way down the VFs go, and this waits for whoever holds one through
	 * VFIO. On the way up they do not come again.
	 */
	if (!up && standin->up)
		pci_disable_sriov(to_pci_dev(dev));
	standin->up = up;
	return count;
}
static DEVICE_ATTR_RW(state);

static ssize_t cfg_services_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct standin *standin = dev_get_drvdata(dev);

	guard(mutex)(&standin->lock);
	return sysfs_emit(buf, "%s\n", standin->services);
}

static ssize_t cfg_services_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct standin *standin = dev_get_drvdata(dev);
	unsigned long mask;
	int service, length = 0;
	int ret;

	ret = standin_parse_services(buf, &mask);
	if (ret)
		return ret;
	guard(mutex)(&standin->lock);
	if (standin->up) {
		dev_info(dev, "Device qat_dev%d must be down to reconfigure the service.\n",
			 standin->id);
		return -EINVAL;
	}
	if (!own_order) {
		strscpy(standin->services, buf);
		strreplace(standin->services, '\n', '\0');
		return count;
	}
	for_each_set_bit(service, &mask, ARRAY_SIZE(standin_services))
		length += scnprintf(standin->services + length, sizeof(standin->services) - length,
				    "%s%s", length ? ";" : "", standin_services[service]);
	return count;
}
static DEVICE_ATTR_RW(cfg_services);

static ssize_t auto_reset_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct standin *standin = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", str_on_off(standin->auto_reset));
}

static ssize_t auto_reset_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct standin *standin = dev_get_drvdata(dev);
	bool enabled;
	int ret = kstrtobool(buf, &enabled);

	if (ret)
		return ret;
	standin->auto_reset = enabled;
	return count;
}
static DEVICE_ATTR_RW(auto_reset);

static ssize_t num_rps_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "64\n");
}
static DEVICE_ATTR_RO(num_rps);

static struct attribute *standin_attributes[] = {
	&dev_attr_state.attr,
	&dev_attr_cfg_services.attr,
	&dev_attr_auto_reset.attr,
	&dev_attr_num_rps.attr,
	NULL
};

static const struct attribute_group standin_group = {
	.name = "qat",
	.attrs = standin_attributes,
};

static const struct attribute_group *standin_groups[] = { &standin_group, NULL };

static void standin_forget_number(void *standin)
{
	ida_free(&standin_numbers, ((struct standin *)standin)->id);
}

static int standin_configure(struct pci_dev *pdev, struct standin *standin)
{
	standin->id = ida_alloc(&standin_numbers, GFP_KERNEL);
	if (standin->id < 0)
		return standin->id;
	strscpy(standin->services, standin->id % 2 ? "dc" : "sym;asym");
	return devm_add_action_or_reset(&pdev->dev, standin_forget_number, standin);
}

#else

static int standin_configure(struct pci_dev *pdev, struct standin *standin)
{
	return 0;
}

#endif /* STANDIN_SERVICES */

static int standin_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct standin *standin;
	int ret;

	if (fail_probe) {
		pci_err(pdev, "asked to fail its probe (%s)\n", STANDIN_NOTE);
		return -EFAULT;
	}
	standin = devm_kzalloc(&pdev->dev, sizeof(*standin), GFP_KERNEL);
	if (!standin)
		return -ENOMEM;
	mutex_init(&standin->lock);
	ret = standin_configure(pdev, standin);
	if (ret)
		return ret;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	standin->up = true;
	pci_set_drvdata(pdev, standin);
	pci_info(pdev, "%s\n", STANDIN_NOTE);
	return 0;
}

static void standin_remove(struct pci_dev *pdev)
{
	pci_disable_sriov(pdev);
}

#else

static int standin_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret = pcim_enable_device(pdev);

	if (!ret)
		pci_set_master(pdev);
	return ret;
}

#endif /* STANDIN_PF */

static const struct pci_device_id standin_ids[] = {
	{ PCI_VDEVICE(INTEL, STANDIN_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, standin_ids);

static struct pci_driver standin_driver = {
	.name = STANDIN_DRIVER,
	.id_table = standin_ids,
	.probe = standin_probe,
#ifdef STANDIN_PF
	.remove = standin_remove,
	.sriov_configure = standin_sriov_configure,
#endif
#ifdef STANDIN_SERVICES
	.dev_groups = standin_groups,
#endif
};

static int __init standin_init(void)
{
	pr_info(KBUILD_MODNAME ": stand-in for the driver of this name, " STANDIN_NOTE "\n");
	return pci_register_driver(&standin_driver);
}
module_init(standin_init);

static void __exit standin_exit(void)
{
	pci_unregister_driver(&standin_driver);
}
module_exit(standin_exit);

MODULE_DESCRIPTION("Stand-in for " KBUILD_MODNAME " (hwaccel.virt emulated host)");
MODULE_AUTHOR("hwaccel.virt maintainers");
MODULE_LICENSE("GPL");
#ifndef STANDIN_OUT_OF_TREE
/*
 * Plays the in-tree driver, so it must look like one: what asks whether the
 * loaded module is Intel's out-of-tree package (modinfo, the O in taint) gets
 * the answer that a host with the in-tree driver gives.
 */
MODULE_INFO(intree, "Y");
#endif
