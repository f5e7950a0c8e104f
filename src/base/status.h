// SPDX-License-Identifier: Apache-2.0
// Status: how every call that can fail says so. Result<T>: a value or a Status.
// Both are value types; neither throws. Codes are gRPC's sixteen; `reason` is a stable snake_case
// id for programs, `message` is for a person, `field` is the path of the input at fault
// ("inputs[0].shape").
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace slipway::base {

enum class Code : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on: gRPC's spelling.
std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string reason, std::string message, std::string field = {})
      : code_(code),
        reason_(std::move(reason)),
        message_(std::move(message)),
        field_(std::move(field)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& reason() const { return reason_; }
  const std::string& message() const { return message_; }
  const std::string& field() const { return field_; }

  // The same failure with what was being done put before its message: "load model: no such file".
  Status Annotate(std::string_view doing) &&;
  // "INVALID_ARGUMENT (bad_shape) inputs[0].shape: ..." for logs.
  std::string ToString() const;

  // For TRY: a Status has no value to take.
  void TakeValue() && {}
  Status TakeStatus() && { return std::move(*this); }

 private:
  Code code_ = Code::kOk;
  std::string reason_;
  std::string message_;
  std::string field_;
};

Status InvalidArgument(std::string field, std::string message,
                       std::string reason = "invalid_argument");
Status NotFound(std::string reason, std::string message);
Status AlreadyExists(std::string reason, std::string message);
Status FailedPrecondition(std::string reason, std::string message);
Status PermissionDenied(std::string reason, std::string message);
Status ResourceExhausted(std::string reason, std::string message);
Status Unavailable(std::string reason, std::string message);
Status Internal(std::string reason, std::string message);
// From errno: ENOENT -> kNotFound, EEXIST -> kAlreadyExists, ENOSPC -> kResourceExhausted, else
// kInternal.
Status FromErrno(int error, std::string_view doing);

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              std::string_view why);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    if (status_.ok()) CheckFailed(__FILE__, __LINE__, "!status.ok()", "a Result needs a value");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & {
    RequireValue();
    return *value_;
  }
  const T& value() const& {
    RequireValue();
    return *value_;
  }
  T&& value() && {
    RequireValue();
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T TakeValue() && { return std::move(*this).value(); }
  Status TakeStatus() && { return std::move(status_); }

 private:
  void RequireValue() const {
    if (!value_) CheckFailed(__FILE__, __LINE__, "ok()", status_.message());
  }

  std::optional<T> value_;
  Status status_;
};

}  // namespace slipway::base

// Takes the value out of a Result (or nothing out of a Status), or returns its Status to the
// caller:
//   auto version = TRY(registry.Load(name, number));
//   TRY(gate.Check(version));
#define TRY(expression) SLIPWAY_TRY_NAMED(expression, __COUNTER__)
#define SLIPWAY_TRY_NAMED(expression, number) SLIPWAY_TRY_PASTE(expression, number)
#define SLIPWAY_TRY_PASTE(expression, number) SLIPWAY_TRY_WITH(expression, try_result_##number##_)
#define SLIPWAY_TRY_WITH(expression, result)                 \
  __extension__({                                            \
    auto result = (expression);                              \
    if (!result.ok()) return std::move(result).TakeStatus(); \
    std::move(result).TakeValue();                           \
  })

// Ends the process on a programmer's error; never for bad input, network or disk.
#define CHECK(condition, why)                                                              \
  do {                                                                                     \
    if (!(condition)) ::slipway::base::CheckFailed(__FILE__, __LINE__, #condition, (why)); \
  } while (false)
