// SPDX-License-Identifier: Apache-2.0
// What stands in the addresses of parts and downloads, and its check.
#include "api/mlflow/signed_url.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::mlflow {
namespace {

constexpr base::Micros kValidFor = 15 * base::kMinute;

// In a time that does not tell where they differ.
bool SameText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

std::string ToSign(std::string_view method, std::string_view path, std::string_view expires) {
  return std::string(method) + "\n" + std::string(path) + "\n" + std::string(expires);
}

}  // namespace

SignedUrls::SignedUrls(std::string secret, std::string public_url)
    : secret_(secret.empty() ? base::RandomHex32() + base::RandomHex32() : std::move(secret)),
      public_url_(std::move(public_url)) {}

std::string SignedUrls::Mark(std::string_view text) const {
  constexpr size_t kBytes = 16;
  return base::HexEncode(base::HmacSha256(secret_, text).substr(0, kBytes));
}

std::string SignedUrls::Make(const net::HttpRequest& from, std::string_view method,
                             const std::string& path, base::Micros now) const {
  const std::string expires = std::to_string((now + kValidFor) / base::kSecond);
  const std::string server =
      public_url_.empty() ? "http://" + std::string(from.GetHeader("Host")) : public_url_;
  return server + path + "?expires=" + expires +
         "&signature=" + base::HexEncode(base::HmacSha256(secret_, ToSign(method, path, expires)));
}

base::Status SignedUrls::Check(const net::HttpRequest& request, base::Micros now) const {
  const std::string expires = request.GetQuery("expires").value_or("");
  const std::string signature = request.GetQuery("signature").value_or("");
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const std::string expected =
      base::HexEncode(base::HmacSha256(secret_, ToSign(method, path, expires)));
  if (!SameText(signature, expected)) {
    return base::PermissionDenied("bad_signature",
                                  "This address is not signed by this server: ask for a new one.");
  }
  int64_t seconds = 0;
  std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
  if (now <= seconds * base::kSecond) return {};
  return base::PermissionDenied("url_expired", "This address has expired: ask for a new one.");
}

}  // namespace slipway::api::mlflow
