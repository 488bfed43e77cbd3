/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stand-ins for the in-tree QAT drivers, for functions dressed up by
 * qat_emulation. The in-tree drivers talk to an accelerator that is not there
 * and would fail their probe.
 *
 * A wrapper of a few lines, named like the in-tree module, defines
 *
 *	STANDIN_DRIVER	name of the PCI driver, as in sysfs
 *	STANDIN_DEVICE	PCI device id
 *	STANDIN_PF	for the driver of the physical function
 *
 * and includes this file.
 */
#include <linux/module.h>
#include <linux/pci.h>

#define STANDIN_NOTE "EMULATED by hwaccel.virt's emulated host: no accelerator behind it"

#ifdef STANDIN_PF

/*
 * Habits of the in-tree driver, to be changed while the module is loaded under
 * /sys/module/MODULE/parameters.
 */
static bool ignore_vf_count = true;
module_param(ignore_vf_count, bool, 0644);
MODULE_PARM_DESC(ignore_vf_count, "create all VFs whatever number is asked for, as the in-tree driver does");

static bool refuse_zero;
module_param(refuse_zero, bool, 0644);
MODULE_PARM_DESC(refuse_zero, "refuse to remove VFs through sriov_numvfs, as the in-tree driver did before 6.12");

static bool fail_probe;
module_param(fail_probe, bool, 0644);
MODULE_PARM_DESC(fail_probe, "fail the probe, as the in-tree driver does without its firmware");

static int standin_sriov_configure(struct pci_dev *pdev, int wanted)
{
	int vfs = wanted;
	int ret;

	if (!wanted) {
		if (refuse_zero)
			return -EINVAL;
		/* VFs that a guest holds through Xen-style assignment stay. */
		if (pci_vfs_assigned(pdev))
			return -EBUSY;
		pci_disable_sriov(pdev);
		return 0;
	}
	if (ignore_vf_count)
		vfs = pci_sriov_get_totalvfs(pdev);
	ret = pci_enable_sriov(pdev, vfs);
	return ret ? ret : vfs;
}

static int standin_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (fail_probe) {
		pci_err(pdev, "asked to fail its probe (%s)\n", STANDIN_NOTE);
		return -EFAULT;
	}
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
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

#endif

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
};

static int __init standin_init(void)
{
	pr_info(KBUILD_MODNAME ": stand-in for the in-tree driver of this name, " STANDIN_NOTE "\n");
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
/*
 * Plays the in-tree driver, so it must look like one: what asks whether the
 * loaded module is Intel's out-of-tree package (modinfo, the O in taint) gets
 * the answer that a host with the in-tree driver gives.
 */
MODULE_INFO(intree, "Y");
