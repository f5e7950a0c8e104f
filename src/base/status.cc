// SPDX-License-Identifier: Apache-2.0
// Status: the one way every walk reports a failure; this file names codes and makes the common
// ones.
#include "base/status.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace slipway::base {

std::string_view CodeName(Code code) {
  constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                       "CANCELLED",
                                                       "UNKNOWN",
                                                       "INVALID_ARGUMENT",
                                                       "DEADLINE_EXCEEDED",
                                                       "NOT_FOUND",
                                                       "ALREADY_EXISTS",
                                                       "PERMISSION_DENIED",
                                                       "RESOURCE_EXHAUSTED",
                                                       "FAILED_PRECONDITION",
                                                       "ABORTED",
                                                       "OUT_OF_RANGE",
                                                       "UNIMPLEMENTED",
                                                       "INTERNAL",
                                                       "UNAVAILABLE",
                                                       "DATA_LOSS",
                                                       "UNAUTHENTICATED"};
  const auto at = static_cast<size_t>(code);
  return at < kNames.size() ? kNames[at] : "UNKNOWN";
}

Status Status::Annotate(std::string_view doing) && {
  if (!ok()) message_ = std::string(doing) + ": " + message_;
  return std::move(*this);
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string text(CodeName(code_));
  text += " (" + reason_ + ")";
  if (!field_.empty()) text += " " + field_;
  return text + ": " + message_;
}

Status InvalidArgument(std::string field, std::string message, std::string reason) {
  return {Code::kInvalidArgument, std::move(reason), std::move(message), std::move(field)};
}
Status NotFound(std::string reason, std::string message) {
  return {Code::kNotFound, std::move(reason), std::move(message)};
}
Status AlreadyExists(std::string reason, std::string message) {
  return {Code::kAlreadyExists, std::move(reason), std::move(message)};
}
Status FailedPrecondition(std::string reason, std::string message) {
  return {Code::kFailedPrecondition, std::move(reason), std::move(message)};
}
Status PermissionDenied(std::string reason, std::string message) {
  return {Code::kPermissionDenied, std::move(reason), std::move(message)};
}
Status ResourceExhausted(std::string reason, std::string message) {
  return {Code::kResourceExhausted, std::move(reason), std::move(message)};
}
Status Unavailable(std::string reason, std::string message) {
  return {Code::kUnavailable, std::move(reason), std::move(message)};
}
Status Internal(std::string reason, std::string message) {
  return {Code::kInternal, std::move(reason), std::move(message)};
}

Status FromErrno(int error, std::string_view doing) {
  std::string message =
      std::string(doing) + ": " + std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
  switch (error) {
    case ENOENT:
      return NotFound("no_such_file", std::move(message));
    case EEXIST:
      return AlreadyExists("file_exists", std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // past the process's limit
      return ResourceExhausted("no_space", std::move(message));
    default:
      return Internal("io_error", std::move(message));
  }
}

void CheckFailed(const char* file, int line, const char* condition, std::string_view why) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: %.*s\n", file, line, condition,
               static_cast<int>(why.size()), why.data());
  std::abort();
}

}  // namespace slipway::base
