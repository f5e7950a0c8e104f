// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace slipway::base {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("number", "expected an even number", "odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  const int half = TRY(Half(number));
  return TRY(Half(half));
}

Status CheckEven(int number) {
  TRY(Half(number));
  return Status::Ok();
}

TEST(Status, TravelsUpThroughTry) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().reason(), "odd");
  EXPECT_TRUE(CheckEven(2).ok());
  EXPECT_EQ(CheckEven(3).field(), "number");
}

TEST(Status, MovesAValueThatCannotBeCopied) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(made).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Status, SaysWhatWasBeingDone) {
  EXPECT_EQ(NotFound("no_model", "there is no model x").Annotate("load").message(),
            "load: there is no model x");
  EXPECT_EQ(InvalidArgument("a.b", "too long").ToString(),
            "INVALID_ARGUMENT (invalid_argument) a.b: too long");
  EXPECT_EQ(Status().ToString(), "OK");
}

TEST(Status, TakesErrno) {
  EXPECT_EQ(FromErrno(ENOENT, "open").code(), Code::kNotFound);
  EXPECT_EQ(FromErrno(EEXIST, "open").code(), Code::kAlreadyExists);
  for (const int error : {ENOSPC, EDQUOT, EFBIG})
    EXPECT_EQ(FromErrno(error, "write").code(), Code::kResourceExhausted) << error;
  EXPECT_EQ(FromErrno(EIO, "write").code(), Code::kInternal);
}

TEST(StatusDeathTest, EndsTheProcessOnAMissingValue) {
  EXPECT_DEATH((void)Half(3).value(), "expected an even number");
}

}  // namespace
}  // namespace slipway::base
