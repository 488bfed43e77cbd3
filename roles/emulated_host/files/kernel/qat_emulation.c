// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Presents SR-IOV functions of QEMU as Intel QuickAssist (QAT) functions.
 *
 * Part of the emulated host of the Ansible collection hwaccel.virt. There is no
 * accelerator behind these functions: what is real is the PCI core, SR-IOV, the
 * IOMMU and VFIO around them.
 *
 * The module places itself between the PCI core and the bus below each named
 * root port. Configuration accesses pass through; the few fields that say what
 * a function is are rewritten on the way. Then the bus is removed and scanned
 * again, so that the PCI core sees the functions in their new dress from the
 * start.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#define MAX_PORTS 8

/* One row a family. A row is added together with the test that needs it. */
struct qat_family {
	const char *name;
	u16 pf_device;
	u16 vf_device;
	u8 revision;
	/* Largest payload the PF says it can take: 0 is 128 bytes, 1 is 256. */
	u8 max_payload;
};

static const struct qat_family families[] = {
	{ .name = "c62x", .pf_device = 0x37c8, .vf_device = 0x37c9, .revision = 0x04, .max_payload = 1 },
};

#define QAT_CLASS 0x0b4000u /* processor, co-processor */

struct qat_port {
	struct pci_dev *bridge;
	struct pci_bus *bus;
	struct pci_ops *real;
	/* A copy of the real table, so that map_bus and its like stay as they were. */
	struct pci_ops ops;
	const struct qat_family *family;
	int exp;	/* PCI Express capability of the PF, 0 when there is none */
	int sriov;	/* SR-IOV capability of the PF, 0 when there is none */
	u16 payload;	/* Max_Payload_Size bits of Device Control: QEMU's are read-only */
};

static struct qat_port *dressed[MAX_PORTS];
static unsigned int dressed_count;

static char *ports[MAX_PORTS];
static int ports_count;
module_param_array(ports, charp, &ports_count, 0444);
MODULE_PARM_DESC(ports, "root ports to dress, each ADDRESS/FAMILY, as in 0000:00:10.0/c62x");

/* The child buses that SR-IOV makes inherit the table, so the table names the port. */
static struct qat_port *port_of(struct pci_bus *bus)
{
	return container_of(bus->ops, struct qat_port, ops);
}

static bool is_pf(const struct qat_port *port, const struct pci_bus *bus, unsigned int devfn)
{
	return bus == port->bus && devfn == 0;
}

static u32 dress_dword(const struct qat_port *port, bool pf, int where, u32 value)
{
	const struct qat_family *family = port->family;

	switch (where) {
	case PCI_VENDOR_ID:
		/* A VF answers ffff:ffff here on real hardware too: leave it alone. */
		return pf ? PCI_VENDOR_ID_INTEL | (u32)family->pf_device << 16 : value;
	case PCI_CLASS_REVISION:
		return QAT_CLASS << 8 | family->revision;
	case PCI_SUBSYSTEM_VENDOR_ID:
		return PCI_VENDOR_ID_INTEL;
	case PCI_INTERRUPT_LINE:
		/* A VF has no INTx pin; VFIO calls QEMU's a hardware bug. */
		return pf ? value : value & ~0xff00u;
	}
	if (!pf)
		return value;

	if (port->exp && where == port->exp + PCI_EXP_DEVCAP)
		return (value & ~PCI_EXP_DEVCAP_PAYLOAD) | family->max_payload;
	if (port->exp && where == port->exp + PCI_EXP_DEVCTL)
		return (value & ~PCI_EXP_DEVCTL_PAYLOAD) | READ_ONCE(port->payload);
	if (port->sriov && where == ((port->sriov + PCI_SRIOV_VF_DID) & ~3))
		return (value & 0xffff) | (u32)family->vf_device << 16;
	return value;
}

static int dressed_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct qat_port *port = port_of(bus);
	u32 value;
	int ret;

	ret = port->real->read(bus, devfn, where & ~3, 4, &value);
	if (ret) {
		PCI_SET_ERROR_RESPONSE(val);
		return ret;
	}
	/* All ones means that nobody answered: an absent function stays absent. */
	if (value != ~0u)
		value = dress_dword(port, is_pf(port, bus, devfn), where & ~3, value);
	value >>= 8 * (where & 3);
	*val = size == 4 ? value : value & ((1u << (8 * size)) - 1);
	return ret;
}

static int dressed_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct qat_port *port = port_of(bus);

	if (port->exp && size >= 2 && where == port->exp + PCI_EXP_DEVCTL &&
	    is_pf(port, bus, devfn)) {
		u16 payload = val & PCI_EXP_DEVCTL_PAYLOAD;

		/* A function-level reset puts the field back to 128 bytes. */
		if (val & PCI_EXP_DEVCTL_BCR_FLR)
			payload = 0;
		/* A real device ignores what it cannot do. */
		if (FIELD_GET(PCI_EXP_DEVCTL_PAYLOAD, payload) <= port->family->max_payload)
			WRITE_ONCE(port->payload, payload);
	}
	return port->real->write(bus, devfn, where, size, val);
}

static const struct qat_family *find_family(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (sysfs_streq(families[i].name, name))
			return &families[i];
	return NULL;
}

/* The caller holds the lock of remove and rescan. */
static void empty_bus(struct pci_bus *bus)
{
	struct pci_dev *pdev, *next;

	/* A PF must have given up its VFs before it goes: the PCI core insists. */
	list_for_each_entry(pdev, &bus->devices, bus_list) {
		if (!pdev->is_physfn)
			continue;
		device_release_driver(&pdev->dev);
		if (pci_num_vf(pdev))
			pci_disable_sriov(pdev);
		break;
	}
	list_for_each_entry_safe_reverse(pdev, next, &bus->devices, bus_list)
		pci_stop_and_remove_bus_device(pdev);
}

static int dress(const char *text)
{
	unsigned int domain, busnr, slot, func;
	struct qat_port *port;
	struct pci_dev *pf;
	char name[16];
	int ret;

	if (sscanf(text, "%x:%x:%x.%x/%15s", &domain, &busnr, &slot, &func, name) != 5) {
		pr_err("'%s' is not of the form ADDRESS/FAMILY\n", text);
		return -EINVAL;
	}
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;

	ret = -EINVAL;
	port->family = find_family(name);
	if (!port->family) {
		pr_err("%s: the family '%s' is not known\n", text, name);
		goto free;
	}
	ret = -ENODEV;
	port->bridge = pci_get_domain_bus_and_slot(domain, busnr, PCI_DEVFN(slot, func));
	if (!port->bridge || !port->bridge->subordinate) {
		pr_err("%s: there is no root port at this address\n", text);
		goto put;
	}

	pci_lock_rescan_remove();
	port->bus = port->bridge->subordinate;
	pf = pci_get_slot(port->bus, 0);
	if (!pf) {
		pci_unlock_rescan_remove();
		pr_err("%s: there is no function below this root port\n", text);
		goto put;
	}
	port->exp = pci_find_capability(pf, PCI_CAP_ID_EXP);
	port->sriov = pci_find_ext_capability(pf, PCI_EXT_CAP_ID_SRIOV);
	if (!port->sriov)
		pci_warn(pf, "has no SR-IOV capability: it will have no VFs\n");
	pci_dev_put(pf);

	empty_bus(port->bus);
	port->real = port->bus->ops;
	port->ops = *port->real;
	port->ops.read = dressed_read;
	port->ops.write = dressed_write;
	pci_bus_set_ops(port->bus, &port->ops);
	pci_rescan_bus(port->bus);
	pci_unlock_rescan_remove();

	dressed[dressed_count++] = port;
	pci_info(port->bridge, "the function below is EMULATED as QAT %s by hwaccel.virt's emulated host\n",
		 port->family->name);
	return 0;

put:
	pci_dev_put(port->bridge);
free:
	kfree(port);
	return ret;
}

static void undress_all(void)
{
	while (dressed_count) {
		struct qat_port *port = dressed[--dressed_count];

		pci_lock_rescan_remove();
		empty_bus(port->bus);
		pci_bus_set_ops(port->bus, port->real);
		pci_rescan_bus(port->bus);
		pci_unlock_rescan_remove();
		pci_dev_put(port->bridge);
		kfree(port);
	}
}

static int __init qat_emulation_init(void)
{
	int i, ret;

	pr_info("no QAT hardware here: hwaccel.virt's emulated host dresses up %d function(s) of QEMU\n",
		ports_count);
	for (i = 0; i < ports_count; i++) {
		ret = dress(ports[i]);
		if (ret) {
			undress_all();
			return ret;
		}
	}
	return 0;
}

static void __exit qat_emulation_exit(void)
{
	undress_all();
}

module_init(qat_emulation_init);
module_exit(qat_emulation_exit);

MODULE_DESCRIPTION("Presents SR-IOV functions of QEMU as Intel QAT (hwaccel.virt emulated host)");
MODULE_AUTHOR("hwaccel.virt maintainers");
MODULE_LICENSE("GPL");
