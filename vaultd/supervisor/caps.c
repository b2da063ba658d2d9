#include "vaultd/supervisor/caps.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
get(struct __user_cap_header_struct *head, struct __user_cap_data_struct *data)
{
	*head =
	    (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 0};
	return (int)syscall(SYS_capget, head, data);
}

int
caps_bound(uint64_t keep)
{
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[2];

	if (get(&head, data) != 0)
		return -1;
	if (!(data[0].effective & CAP_BIT(CAP_SETPCAP)))
		return 0;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep & CAP_BIT(cap)) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return -1;
	return 0;
}

int
caps_keep(uint64_t keep)
{
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[2];

	if (get(&head, data) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(keep >> (32 * i));

		data[i].permitted &= half;
		data[i].effective &= half;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &head, data);
}
