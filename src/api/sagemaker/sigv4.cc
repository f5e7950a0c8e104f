// SPDX-License-Identifier: Apache-2.0
// The door of SageMaker's protocol: is the request signed by a key that is configured?
#include "api/sagemaker/sigv4.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kService = "sagemaker";
constexpr base::Micros kMostSkew = 5 * base::kMinute;

base::Status Refuse(std::string name, std::string message) {
  return {base::Code::kUnauthenticated, std::move(name), std::move(message)};
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return lower;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t start = 0;;) {
    const size_t end = text.find(separator, start);
    parts.emplace_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

struct Authorization {
  std::string key;
  std::string date;
  std::string region;
  std::string service;
  std::vector<std::string> signed_headers;
  std::string signature;
};

base::Result<Authorization> ParseAuthorization(std::string_view header) {
  if (!header.starts_with(kAlgorithm)) {
    return Refuse("IncompleteSignature",
                  "Authorization header requires the algorithm AWS4-HMAC-SHA256.");
  }
  Authorization parsed;
  std::string credential;
  for (const std::string& part : Split(header.substr(kAlgorithm.size()), ',')) {
    const std::string_view item =
        std::string_view(part).substr(std::min(part.find_first_not_of(' '), part.size()));
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, equals);
    const std::string value(item.substr(std::min(equals + 1, item.size())));
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") parsed.signed_headers = Split(value, ';');
    if (name == "Signature") parsed.signature = value;
  }
  const std::vector<std::string> scope = Split(credential, '/');
  const bool whole = scope.size() == 5 && scope[4] == "aws4_request";
  if (!whole || parsed.signed_headers.empty() || parsed.signature.empty()) {
    return Refuse("IncompleteSignature",
                  "Authorization header requires 'Credential' "
                  "(KEY/DATE/REGION/sagemaker/aws4_request), 'SignedHeaders' and 'Signature'.");
  }
  parsed.key = scope[0];
  parsed.date = scope[1];
  parsed.region = scope[2];
  parsed.service = scope[3];
  return parsed;
}

// Runs of spaces count as one.
std::string Trimmed(std::string_view value) {
  std::string trimmed;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (trimmed.empty() || trimmed.back() == ' ')) continue;
    trimmed.push_back(space ? ' ' : c);
  }
  if (!trimmed.empty() && trimmed.back() == ' ') trimmed.pop_back();
  return trimmed;
}

std::string CanonicalHeader(const net::HttpRequest& request, const std::string& name) {
  std::string line = name + ":";
  bool first = true;
  for (const net::Header& header : request.headers) {
    if (Lower(header.name) != name) continue;
    if (!first) line += ",";
    first = false;
    line += Trimmed(header.value);
  }
  return line + "\n";
}

std::string CanonicalRequest(const net::HttpRequest& request,
                             const std::vector<std::string>& signed_headers) {
  std::vector<std::string> query;
  query.reserve(request.query.size());
  for (const auto& [name, value] : request.query)
    query.push_back(net::PercentEncode(name) + "=" + net::PercentEncode(value));
  std::ranges::sort(query);
  std::string text = request.method + "\n" + request.target.substr(0, request.target.find('?'));
  text += "\n";
  for (size_t i = 0; i < query.size(); ++i) text += (i == 0 ? "" : "&") + query[i];
  text += "\n";
  std::string names;
  for (const std::string& name : signed_headers) {
    text += CanonicalHeader(request, name);
    names += (names.empty() ? "" : ";") + name;
  }
  return text + "\n" + names + "\n" + base::Sha256Hex(request.body);
}

// What a signature must cover: the host and all of x-amz-.
base::Status CheckCovered(const net::HttpRequest& request, const Authorization& authorization) {
  for (const net::Header& header : request.headers) {
    const std::string name = Lower(header.name);
    if (name != "host" && !name.starts_with("x-amz-")) continue;
    if (std::ranges::find(authorization.signed_headers, name) ==
        authorization.signed_headers.end()) {
      return Refuse("InvalidSignatureException", "'" + name + "' must be a signed header.");
    }
  }
  const std::string_view hash = request.GetHeader("X-Amz-Content-Sha256");
  if (!hash.empty() && hash != base::Sha256Hex(request.body)) {
    return Refuse("InvalidSignatureException",
                  "The body's SHA-256 is not what X-Amz-Content-Sha256 says.");
  }
  return {};
}

base::Status CheckTime(const std::string& stamp, const Authorization& authorization,
                       base::Micros now) {
  base::Micros time = 0;
  if (stamp.size() == 16) {
    const std::string text = stamp.substr(0, 4) + "-" + stamp.substr(4, 2) + "-" +
                             stamp.substr(6, 2) + "T" + stamp.substr(9, 2) + ":" +
                             stamp.substr(11, 2) + ":" + stamp.substr(13);
    const base::Result<base::Micros> parsed = base::ParseTime(text);
    if (parsed.ok()) time = *parsed;
  }
  if (time == 0) {
    return Refuse("IncompleteSignature",
                  "X-Amz-Date must be a time such as 20260102T030405Z, not '" + stamp + "'.");
  }
  if (std::abs(now - time) > kMostSkew) {
    return Refuse("InvalidSignatureException",
                  std::string("Signature ") + (time < now ? "expired: " : "not yet current: ") +
                      stamp + " is more than 5 min. from " + base::FormatTime(now) + ".");
  }
  if (!stamp.starts_with(authorization.date)) {
    return Refuse("InvalidSignatureException",
                  "Date in Credential scope does not match X-Amz-Date.");
  }
  return {};
}

// In time that does not depend on where they differ.
bool Same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned differ = 0;
  for (size_t i = 0; i < a.size(); ++i)
    differ |= static_cast<unsigned>(static_cast<unsigned char>(a[i] ^ b[i]));
  return differ == 0;
}

}  // namespace

base::Result<Keys> ParseKeys(std::string_view text) {
  Keys keys;
  size_t number = 0;
  for (const std::string& raw : Split(text, '\n')) {
    ++number;
    const std::string line = Trimmed(raw.ends_with('\r') ? raw.substr(0, raw.size() - 1) : raw);
    if (line.empty() || line.starts_with('#')) continue;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      return base::InvalidArgument("sagemaker.keys_file",
                                   "line " + std::to_string(number) + ": expected \"ID SECRET\"");
    }
    keys[line.substr(0, space)] = line.substr(space + 1);
  }
  return keys;
}

base::Result<std::string> VerifySignature(const net::HttpRequest& request, const Keys& keys,
                                          const std::string& region, base::Micros now) {
  const std::string_view header = request.GetHeader("Authorization");
  if (header.empty())
    return Refuse("MissingAuthenticationToken", "Request is missing Authentication Token.");
  const Authorization authorization = TRY(ParseAuthorization(header));
  if (authorization.region != region || authorization.service != kService) {
    return Refuse("InvalidSignatureException", "Credential should be scoped to region '" + region +
                                                   "' and service 'sagemaker', not '" +
                                                   authorization.region + "' and '" +
                                                   authorization.service + "'.");
  }
  const std::string stamp(request.GetHeader("X-Amz-Date"));
  TRY(CheckTime(stamp, authorization, now));
  TRY(CheckCovered(request, authorization));
  const auto key = keys.find(authorization.key);
  if (key == keys.end()) {
    return Refuse("UnrecognizedClientException",
                  "The security token included in the request is invalid.");
  }
  const std::string scope = authorization.date + "/" + region + "/sagemaker/aws4_request";
  const std::string to_sign =
      std::string(kAlgorithm) + "\n" + stamp + "\n" + scope + "\n" +
      base::Sha256Hex(CanonicalRequest(request, authorization.signed_headers));
  std::string secret = base::HmacSha256("AWS4" + key->second, authorization.date);
  for (const std::string_view part :
       {std::string_view(region), kService, std::string_view("aws4_request")})
    secret = base::HmacSha256(secret, part);
  if (!Same(base::HexEncode(base::HmacSha256(secret, to_sign)), authorization.signature)) {
    return Refuse("InvalidSignatureException",
                  "The request signature we calculated does not match the signature you provided. "
                  "Check your AWS Secret Access Key and signing method.");
  }
  return authorization.key;
}

}  // namespace slipway::api::sagemaker
