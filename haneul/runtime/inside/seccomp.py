"""The system calls that a function may not make: a seccomp filter written out as BPF instructions.

Refused calls fail with EPERM, as they would for a user without privileges; calls by another architecture's numbers kill the process, since
the same number means a different call there. clone3 answers ENOSYS because its flags lie in memory, where a filter cannot look: the C library
then falls back to clone, whose flags are checked.
"""

from __future__ import annotations

import ctypes
import platform
import struct

from haneul.runtime.inside import linux

_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_GREATER_OR_EQUAL = 0x35
_JUMP_SET = 0x45
_RETURN = 0x06

_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_KILL_PROCESS = 0x8000_0000
_EPERM = 1
_ENOSYS = 38

_NUMBER, _ARCHITECTURE, _ARGUMENT_0, _ARGUMENT_1, _ARGUMENT_2 = 0, 4, 16, 24, 32
_NEW_NAMESPACES = 0x7E02_0080
"""All CLONE_NEW* flags: mount, cgroup, uts, ipc, user, pid, net, and time for unshare."""

_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

# name: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "pivot_root": (155, 41),
    "_sysctl": (156, None),
    "adjtimex": (159, 171),
    "chroot": (161, 51),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "create_module": (174, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
    "clock_settime": (227, 112),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "migrate_pages": (256, 238),
    "unshare": (272, 97),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
    "set_mempolicy_home_node": (450, 450),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "lsm_set_self_attr": (460, 460),
    "open_tree_attr": (467, 467),
}
_CLONE = (56, 220)
_CLONE3 = 435
_IOCTL = (16, 29)
_SOCKET = (41, 198)
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_AF_VSOCK = 40
_AF_PACKET = 17
_AF_ALG = 38
_NETLINK_NETFILTER = 12


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _deny_when(number: int, argument: int, code: int, values: tuple[int, ...]) -> list[bytes]:
    """For one call: EPERM when its argument matches one of `values`. The accumulator holds the call's number before and after."""
    out = [_instruction(_JUMP_EQUAL, number, 0, 2 * len(values) + 2), _instruction(_LOAD_WORD, argument)]
    for value in values:
        out += [_instruction(code, value, 0, 1), _instruction(_RETURN, _ERRNO | _EPERM)]
    return [*out, _instruction(_LOAD_WORD, _NUMBER)]


def program(machine: str, allowed: tuple[str, ...] = ()) -> bytes:
    """The filter for `machine` (x86_64 or aarch64), with the exception of the calls that are `allowed`."""
    column = 0 if machine == "x86_64" else 1
    out = [
        _instruction(_LOAD_WORD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD_WORD, _NUMBER),
    ]
    if machine == "x86_64":  # The x32 convention: the same architecture word, other numbers.
        out += [_instruction(_JUMP_GREATER_OR_EQUAL, 0x4000_0000, 0, 1), _instruction(_RETURN, _KILL_PROCESS)]
    out += [_instruction(_JUMP_EQUAL, _CLONE3, 0, 1), _instruction(_RETURN, _ERRNO | _ENOSYS)]
    for name, numbers in _DENIED.items():
        number = numbers[column]
        if number is not None and name not in allowed:
            out += [_instruction(_JUMP_EQUAL, number, 0, 1), _instruction(_RETURN, _ERRNO | _EPERM)]
    # One bit-test finds any of the flags; the accumulator is reloaded after each of these.
    out += _deny_when(_CLONE[column], _ARGUMENT_0, _JUMP_SET, (_NEW_NAMESPACES & ~0xFF,))
    out += _deny_when(_IOCTL[column], _ARGUMENT_1, _JUMP_EQUAL, (_TIOCSTI, _TIOCLINUX))
    out += _deny_when(_SOCKET[column], _ARGUMENT_0, _JUMP_EQUAL, (_AF_VSOCK, _AF_PACKET, _AF_ALG))
    if allowed:  # In namespaces of its own it may be root for a moment: the largest part of the kernel that this opens stays closed.
        out += _deny_when(_SOCKET[column], _ARGUMENT_2, _JUMP_EQUAL, (_NETLINK_NETFILTER,))
    return b"".join([*out, _instruction(_RETURN, _ALLOW)])


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def supported() -> bool:
    """Whether there is a filter for this machine's architecture."""
    return platform.machine() in _ARCHITECTURES


def install(instructions: bytes) -> None:
    """Put this process and all that it starts under the filter. `no_new_privs` must be set before."""
    structure = _Program(len(instructions) // 8, instructions)
    linux.prctl(linux.PR_SET_SECCOMP, 2, ctypes.addressof(structure))
