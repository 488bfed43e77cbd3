// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Presents SR-IOV functions of QEMU as Intel QuickAssist (QAT) functions.
 *
 * Part of the emulated host of the Ansible collection hwaccel.virt. There is no
 * accelerator behind these functions: what is real is the PCI core, SR-IOV, the
 * IOMMU and VFIO around them.
 *
 * The module places itself between the PCI core and the bus of each named
 * function. Configuration accesses pass through; the few fields that say what
 * a function is are rewritten on the way. Then the function is removed and the
 * bus scanned again, so that the PCI core sees the function in its new dress
 * from the start.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/jiffies.h>
#include <linux/list.h>
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
	{ .name = "dh895xcc", .pf_device = 0x0435, .vf_device = 0x0443, .revision = 0x00, .max_payload = 1 },
	{ .name = "c3xxx", .pf_device = 0x19e2, .vf_device = 0x19e3, .revision = 0x11, .max_payload = 1 },
	{ .name = "c62x", .pf_device = 0x37c8, .vf_device = 0x37c9, .revision = 0x04, .max_payload = 1 },
	{ .name = "4xxx", .pf_device = 0x4940, .vf_device = 0x4941, .revision = 0x40, .max_payload = 1 },
};

#define QAT_CLASS 0x0b4000u /* processor, co-processor */

/* Longer than a function-level reset and the restore after it take. */
#define ERRATUM_PERIOD (10 * HZ)

/* A PF and its VFs. */
struct qat_function {
	struct list_head list;
	const struct qat_family *family;
	unsigned int devfn;	/* of the PF */
	unsigned int offset;	/* from the PF's routing id to that of its first VF */
	unsigned int stride;	/* from one VF's routing id to the next one's */
	unsigned int total;	/* number of VFs */
	int exp;	/* PCI Express capability of the PF, 0 when there is none */
	int sriov;	/* SR-IOV capability of the PF, 0 when there is none */
	u16 payload;	/* Max_Payload_Size bits of Device Control: QEMU's are read-only */
	bool deaf;	/* the next write to Device Control leaves the payload as it is */
	unsigned long deaf_until;
};

/* A bus with such functions: one below a root port, or a root bus. */
struct qat_bus {
	struct list_head list;
	struct pci_bus *bus;
	struct pci_ops *real;
	/* A copy of the real table, so that map_bus and its like stay as they were. */
	struct pci_ops ops;
	struct list_head functions;
};

static LIST_HEAD(dressed);

static char *ports[MAX_PORTS];
static int ports_count;
module_param_array(ports, charp, &ports_count, 0444);
MODULE_PARM_DESC(ports, "what to dress, each ADDRESS/FAMILY, as in 0000:00:10.0/c62x: a root port, for the function below it, or a function on a root bus");

static bool mps_erratum;
module_param(mps_erratum, bool, 0644);
MODULE_PARM_DESC(mps_erratum, "the payload size that the kernel restores after a function-level reset of a PF does not take");

/*
 * The buses that SR-IOV makes, and those that appear below a dressed one later
 * on, inherit the table: so the table names the bus, and the routing id tells
 * which functions on it are ours.
 */
static struct qat_bus *dressed_bus(struct pci_bus *bus)
{
	return container_of(bus->ops, struct qat_bus, ops);
}

static struct qat_function *function_at(struct qat_bus *home, struct pci_bus *bus,
					unsigned int devfn, bool *pf)
{
	unsigned int rid = PCI_DEVID(bus->number, devfn);
	struct qat_function *function;

	list_for_each_entry(function, &home->functions, list) {
		unsigned int first = PCI_DEVID(home->bus->number, function->devfn);

		*pf = rid == first;
		if (*pf)
			return function;
		first += function->offset;
		if (function->total && rid >= first &&
		    (rid - first) / function->stride < function->total &&
		    (rid - first) % function->stride == 0)
			return function;
	}
	return NULL;
}

static u32 dress_dword(const struct qat_function *function, bool pf, int where, u32 value)
{
	const struct qat_family *family = function->family;

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

	if (function->exp && where == function->exp + PCI_EXP_DEVCAP)
		return (value & ~PCI_EXP_DEVCAP_PAYLOAD) | family->max_payload;
	if (function->exp && where == function->exp + PCI_EXP_DEVCTL)
		return (value & ~PCI_EXP_DEVCTL_PAYLOAD) | READ_ONCE(function->payload);
	if (function->sriov && where == ((function->sriov + PCI_SRIOV_VF_DID) & ~3))
		return (value & 0xffff) | (u32)family->vf_device << 16;
	return value;
}

static int dressed_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct qat_bus *home = dressed_bus(bus);
	struct qat_function *function;
	bool pf;
	u32 value;
	int ret;

	function = function_at(home, bus, devfn, &pf);
	if (!function)
		return home->real->read(bus, devfn, where, size, val);
	ret = home->real->read(bus, devfn, where & ~3, 4, &value);
	if (ret) {
		PCI_SET_ERROR_RESPONSE(val);
		return ret;
	}
	/* All ones means that nobody answered: an absent function stays absent. */
	if (value != ~0u)
		value = dress_dword(function, pf, where & ~3, value);
	value >>= 8 * (where & 3);
	*val = size == 4 ? value : value & ((1u << (8 * size)) - 1);
	return ret;
}

static void write_payload(struct qat_function *function, u16 control)
{
	u16 payload = control & PCI_EXP_DEVCTL_PAYLOAD;

	if (control & PCI_EXP_DEVCTL_BCR_FLR) {
		/* A function-level reset puts the field back to 128 bytes. */
		WRITE_ONCE(function->payload, 0);
		function->deaf = mps_erratum;
		function->deaf_until = jiffies + ERRATUM_PERIOD;
		return;
	}
	/* The kernel writes this register once after the reset, to restore it. */
	if (function->deaf) {
		function->deaf = false;
		if (time_before(jiffies, function->deaf_until))
			return;
	}
	/* A real device ignores what it cannot do. */
	if (FIELD_GET(PCI_EXP_DEVCTL_PAYLOAD, payload) <= function->family->max_payload)
		WRITE_ONCE(function->payload, payload);
}

static int dressed_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct qat_bus *home = dressed_bus(bus);
	struct qat_function *function;
	bool pf;

	function = function_at(home, bus, devfn, &pf);
	if (function && pf && function->exp) {
		if (where == function->exp + PCI_EXP_DEVCTL)
			write_payload(function, size == 1 ? val & 0xff : val);
		else if (where == function->exp + PCI_EXP_DEVCTL + 1 &&
			 (val << 8) & PCI_EXP_DEVCTL_BCR_FLR)
			write_payload(function, PCI_EXP_DEVCTL_BCR_FLR);
	}
	return home->real->write(bus, devfn, where, size, val);
}

static const struct qat_family *find_family(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (sysfs_streq(families[i].name, name))
			return &families[i];
	return NULL;
}

/* A PF must have given up its VFs before it goes: the PCI core insists. */
static void take_off(struct pci_dev *pdev)
{
	device_release_driver(&pdev->dev);
	if (pci_num_vf(pdev))
		pci_disable_sriov(pdev);
	pci_stop_and_remove_bus_device_locked(pdev);
}

static void scan(struct pci_bus *bus)
{
	pci_lock_rescan_remove();
	pci_rescan_bus(bus);
	pci_unlock_rescan_remove();
}

/* Return the bus, with our table in its place. */
static struct qat_bus *enter_bus(struct pci_bus *bus)
{
	struct qat_bus *home;

	list_for_each_entry(home, &dressed, list)
		if (home->bus == bus)
			return home;

	home = kzalloc(sizeof(*home), GFP_KERNEL);
	if (!home)
		return NULL;
	INIT_LIST_HEAD(&home->functions);
	home->bus = bus;
	get_device(&bus->dev);
	home->real = bus->ops;
	home->ops = *home->real;
	home->ops.read = dressed_read;
	home->ops.write = dressed_write;
	pci_bus_set_ops(bus, &home->ops);
	list_add(&home->list, &dressed);
	return home;
}

static void leave_bus(struct qat_bus *home)
{
	struct qat_function *function, *next;

	list_for_each_entry(function, &home->functions, list) {
		struct pci_dev *pdev = pci_get_slot(home->bus, function->devfn);

		if (!pdev)
			continue;
		take_off(pdev);
		pci_dev_put(pdev);
	}
	pci_bus_set_ops(home->bus, home->real);
	scan(home->bus);
	list_for_each_entry_safe(function, next, &home->functions, list)
		kfree(function);
	put_device(&home->bus->dev);
	list_del(&home->list);
	kfree(home);
}

static void measure(struct qat_function *function, struct pci_dev *pdev)
{
	u16 word;

	function->devfn = pdev->devfn;
	function->exp = pci_find_capability(pdev, PCI_CAP_ID_EXP);
	function->sriov = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
	if (!function->sriov) {
		pci_warn(pdev, "has no SR-IOV capability: it will have no VFs\n");
		return;
	}
	pci_read_config_word(pdev, function->sriov + PCI_SRIOV_TOTAL_VF, &word);
	function->total = word;
	pci_read_config_word(pdev, function->sriov + PCI_SRIOV_VF_OFFSET, &word);
	function->offset = word;
	pci_read_config_word(pdev, function->sriov + PCI_SRIOV_VF_STRIDE, &word);
	function->stride = max_t(u16, word, 1);
}

/* Return the function that an address means, with a reference to it. */
static struct pci_dev *find_function(const char *text, unsigned int domain, unsigned int bus,
				     unsigned int devfn)
{
	struct pci_dev *named, *below;

	named = pci_get_domain_bus_and_slot(domain, bus, devfn);
	if (!named) {
		pr_err("%s: there is nothing at this address\n", text);
		return NULL;
	}
	if (!pci_is_bridge(named))
		return named;
	below = named->subordinate ? pci_get_slot(named->subordinate, 0) : NULL;
	if (!below)
		pr_err("%s: there is no function below this root port\n", text);
	pci_dev_put(named);
	return below;
}

static int dress(const char *text)
{
	unsigned int domain, busnr, slot, func;
	struct qat_function *function;
	struct qat_bus *home;
	struct pci_dev *pdev;
	char name[16];
	int ret;

	if (sscanf(text, "%x:%x:%x.%x/%15s", &domain, &busnr, &slot, &func, name) != 5) {
		pr_err("'%s' is not of the form ADDRESS/FAMILY\n", text);
		return -EINVAL;
	}
	function = kzalloc(sizeof(*function), GFP_KERNEL);
	if (!function)
		return -ENOMEM;

	ret = -EINVAL;
	function->family = find_family(name);
	if (!function->family) {
		pr_err("%s: the family '%s' is not known\n", text, name);
		goto free;
	}
	ret = -ENODEV;
	pdev = find_function(text, domain, busnr, PCI_DEVFN(slot, func));
	if (!pdev)
		goto free;
	ret = -ENOMEM;
	home = enter_bus(pdev->bus);
	if (!home)
		goto put;

	measure(function, pdev);
	take_off(pdev);
	pci_dev_put(pdev);
	list_add_tail(&function->list, &home->functions);
	scan(home->bus);
	pr_info("%s: this function is EMULATED as QAT by hwaccel.virt's emulated host\n", text);
	return 0;

put:
	pci_dev_put(pdev);
free:
	kfree(function);
	return ret;
}

static void undress_all(void)
{
	struct qat_bus *home, *next;

	list_for_each_entry_safe(home, next, &dressed, list)
		leave_bus(home);
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
