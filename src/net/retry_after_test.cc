// SPDX-License-Identifier: Apache-2.0
#include "net/retry_after.h"

#include <gtest/gtest.h>

#include "net/http.h"

namespace slipway::net {
namespace {

int64_t Of(const char* message) {
  return RetryAfterSeconds(base::ResourceExhausted("overloaded", message));
}

TEST(RetryAfter, IsWhatTheRefusalSaysAtItsEnd) {
  EXPECT_EQ(Of("too much; retry in 7 s"), 7);
  EXPECT_EQ(Of("too much; retry in 0 s"), 1);
  EXPECT_EQ(Of("too much; retry in 999999999 s"), 3600);
}

TEST(RetryAfter, IsOneSecondWhenNothingIsSaid) {
  EXPECT_EQ(Of("too much"), 1);
  EXPECT_EQ(Of("too much; retry in 7 sheep"), 1);
  EXPECT_EQ(Of("too much; retry in "), 1);
}

TEST(RetryAfter, IsAHeaderOfTheErrorsOfEveryProtocol) {
  const HttpResponse response =
      ErrorResponse(base::ResourceExhausted("overloaded", "too much; retry in 7 s"));
  EXPECT_EQ(response.status, 429);
  bool seen = false;
  for (const auto& header : response.headers) {
    if (header.name != "Retry-After") continue;
    seen = true;
    EXPECT_EQ(header.value, "7");
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace slipway::net
