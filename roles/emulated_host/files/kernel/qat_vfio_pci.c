// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stand-in for the kernel's VFIO driver of QAT VFs of generation 4, the one that
 * can migrate them. This one is a VFIO driver in every other respect, on top of
 * the real vfio-pci-core; there is nothing to migrate.
 *
 * Its ids are for whoever asks for it by name in driver_override: no function is
 * bound to it, and the module is not loaded, by the ids alone.
 *
 * What the kernel's driver does was read in Linux 6.12, drivers/vfio/pci/qat and
 * drivers/crypto/intel/qat/qat_common/qat_mig_dev.c.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/vfio_pci_core.h>

#define STANDIN_NOTE "EMULATED by hwaccel.virt's emulated host: no accelerator behind it"

/* The in-tree driver of the physical functions that have this migration. */
#define STANDIN_PF_DRIVER "4xxx"

static char refuse[32];
module_param_string(refuse, refuse, sizeof(refuse), 0644);
MODULE_PARM_DESC(refuse, "PCI address of a function whose probe fails (EIO), none when empty");

/*
 * The real one asks the in-tree PF driver for its part of the migration. That one
 * knows its own devices only: not those of the vendor's driver of the same name,
 * and none in a guest, which has VFs without their PF.
 */
static bool standin_has_pf(struct pci_dev *pdev)
{
	struct device_driver *driver;

	if (!pdev->is_virtfn)
		return false;
	driver = READ_ONCE(pci_physfn(pdev)->dev.driver);
	if (!driver || strcmp(driver->name, STANDIN_PF_DRIVER))
		return false;
	return driver->owner && !test_bit(TAINT_OOT_MODULE, &driver->owner->taints);
}

static int standin_open_device(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core = container_of(vdev, struct vfio_pci_core_device, vdev);
	int ret = vfio_pci_core_enable(core);

	if (!ret)
		vfio_pci_core_finish_enable(core);
	return ret;
}

static const struct vfio_device_ops standin_ops = {
	.name = "qat-vf-vfio-pci",
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = standin_open_device,
	.close_device = vfio_pci_core_close_device,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};

static int standin_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfio_pci_core_device *core;
	int ret;

	if (sysfs_streq(pci_name(pdev), refuse)) {
		pci_err(pdev, "asked to fail its probe (%s)\n", STANDIN_NOTE);
		return -EIO;
	}
	if (!standin_has_pf(pdev))
		return -ENODEV;
	core = vfio_alloc_device(vfio_pci_core_device, vdev, &pdev->dev, &standin_ops);
	if (IS_ERR(core))
		return PTR_ERR(core);
	pci_set_drvdata(pdev, core);
	ret = vfio_pci_core_register_device(core);
	if (ret)
		vfio_put_device(&core->vdev);
	return ret;
}

static void standin_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = pci_get_drvdata(pdev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static const struct pci_device_id standin_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_INTEL, 0x4941) },
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_INTEL, 0x4943) },
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_INTEL, 0x4945) },
	{ }
};
MODULE_DEVICE_TABLE(pci, standin_ids);

static struct pci_driver standin_driver = {
	.name = KBUILD_MODNAME,
	.id_table = standin_ids,
	.probe = standin_probe,
	.remove = standin_remove,
	.err_handler = &vfio_pci_core_err_handlers,
	/* VFIO itself sees to it that the group is its own. */
	.driver_managed_dma = true,
};
module_pci_driver(standin_driver);

MODULE_DESCRIPTION("Stand-in for " KBUILD_MODNAME " (hwaccel.virt emulated host)");
MODULE_AUTHOR("hwaccel.virt maintainers");
MODULE_LICENSE("GPL");
/* Plays a driver that comes with the kernel, whatever drives the PFs. */
MODULE_INFO(intree, "Y");
