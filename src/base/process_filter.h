// SPDX-License-Identifier: Apache-2.0
// The filter over the system calls of a process that runs other people's code.
#pragma once

#include <sys/types.h>

#include <vector>

struct sock_filter;  // <linux/filter.h>

namespace slipway::base {

// A program for PR_SET_SECCOMP. Refused with EACCES: sockets that reach other machines (all but
// AF_UNIX), unless `network`. Refused with EPERM: a look into other processes, a signal to `server`
// or to everybody, mounts, namespaces, kernel modules, and io_uring, which would go round the
// filter. Calls of another processor mode end the process.
std::vector<sock_filter> SystemCallFilter(bool network, pid_t server);

}  // namespace slipway::base
