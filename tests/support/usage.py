"""What processes use: memory, descriptors."""
import os


def resident(pids):
    """KiB of memory that the processes have touched, all together."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            total += next(int(line.split()[1]) for line in file
                          if line.startswith("VmRSS:"))
    return total


def descriptors(pids):
    """How many descriptors they have open, all together (as root)."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def house(vault):
    """The pids of vaultd and all of its rooms."""
    rooms = vault.rooms().values()
    return [vault.process.pid, *(pid for pids in rooms for pid in pids)]
