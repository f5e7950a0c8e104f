// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 in the Authorization header, verified: canonical request, string to sign
// and key derivation as in "Create a signed AWS API request" (AWS IAM user guide).
// Failures are kUnauthenticated; the reason is AWS's name of the error.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::sagemaker {

using Keys = std::map<std::string, std::string>;  // access key id -> secret

// Lines "ID SECRET"; empty ones and those that begin with '#' do not count.
base::Result<Keys> ParseKeys(std::string_view text);
// Who signed. `now` may differ from the request's time by 5 minutes at most.
base::Result<std::string> VerifySignature(const net::HttpRequest& request, const Keys& keys,
                                          const std::string& region, base::Micros now);

}  // namespace slipway::api::sagemaker
