// SPDX-License-Identifier: Apache-2.0
// Starting a model worker: what its code may ask of the kernel.
#include "base/process_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace slipway::base {
namespace {

constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr uint32_t kArchitecture = offsetof(seccomp_data, arch);
constexpr uint32_t kFirstArgument = offsetof(seccomp_data, args);  // its lower half
constexpr uint32_t kX32Bit = 0x40000000;

constexpr uint32_t kNever[] = {SYS_ptrace,
                               SYS_process_vm_readv,
                               SYS_process_vm_writev,
                               SYS_pidfd_getfd,
                               SYS_bpf,
                               SYS_perf_event_open,
                               SYS_userfaultfd,
                               SYS_io_uring_setup,
                               SYS_mount,
                               SYS_umount2,
                               SYS_pivot_root,
                               SYS_setns,
                               SYS_unshare,
                               SYS_init_module,
                               SYS_finit_module,
                               SYS_delete_module,
                               SYS_kexec_load,
                               SYS_reboot,
                               SYS_swapon,
                               SYS_swapoff,
                               SYS_keyctl,
                               SYS_add_key,
                               SYS_request_key,
                               SYS_open_by_handle_at};

sock_filter Load(uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
sock_filter Refuse(int error) {
  return Return(SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA));
}
// Goes on with the next instruction when equal, else jumps over `skip`.
sock_filter IfEqual(uint32_t value, uint8_t skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

void AddSignals(std::vector<sock_filter>& program, pid_t server) {
  program.push_back(IfEqual(SYS_kill, 5));
  program.push_back(Load(kFirstArgument));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(server), 2, 0));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(-1), 1, 0));
  program.push_back(Return(SECCOMP_RET_ALLOW));
  program.push_back(Refuse(EPERM));
}

void AddSockets(std::vector<sock_filter>& program) {
  program.push_back(IfEqual(SYS_socket, 4));
  program.push_back(Load(kFirstArgument));
  program.push_back(IfEqual(AF_UNIX, 1));
  program.push_back(Return(SECCOMP_RET_ALLOW));
  program.push_back(Refuse(EACCES));
}

}  // namespace

std::vector<sock_filter> SystemCallFilter(bool network, pid_t server) {
  std::vector<sock_filter> program;
  program.push_back(Load(kArchitecture));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  program.push_back(Load(kNumber));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  for (const uint32_t number : kNever) {
    program.push_back(IfEqual(number, 1));
    program.push_back(Refuse(EPERM));
  }
  AddSignals(program, server);
  if (!network) AddSockets(program);
  program.push_back(Return(SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace slipway::base
