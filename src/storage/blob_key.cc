// SPDX-License-Identifier: Apache-2.0
// Which keys are good, and the digest of what one holds: what every store needs, the one in a
// library of its own too.
#include "storage/blob_key.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::storage {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

base::Status BadKey(std::string_view why) {
  return base::InvalidArgument("key", "a key " + std::string(why), "bad_key");
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

base::Status CheckKey(std::string_view key) {
  if (key.empty()) return BadKey("may not be empty");
  if (key.size() > kMaxKeyBytes)
    return BadKey("has at most " + std::to_string(kMaxKeyBytes) + " bytes");
  if (std::any_of(key.begin(), key.end(), IsControl))
    return BadKey("may not have control characters");
  for (size_t start = 0; start <= key.size();) {
    const size_t end = std::min(key.find('/', start), key.size());
    const std::string_view segment = key.substr(start, end - start);
    if (segment.empty())
      return BadKey("may not begin or end with '/' nor have '//': " + std::string(key));
    if (segment == "." || segment == "..")
      return BadKey("may not have '.' or '..' as a part: " + std::string(key));
    if (start == 0 && segment == kIncoming)
      return BadKey("may not begin with " + std::string(kIncoming));
    start = end + 1;
  }
  return base::Status::Ok();
}

base::Status CheckFolder(std::string_view folder) {
  return folder.empty() ? base::Status::Ok() : CheckKey(folder);
}

std::string_view ParentOf(std::string_view key) {
  const size_t slash = key.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
}

std::string_view NameOf(std::string_view key) { return key.substr(key.rfind('/') + 1); }

std::string JoinKey(std::string_view folder, std::string_view name) {
  std::string key(folder);
  if (!folder.empty() && !name.empty()) key += '/';
  return key.append(name);
}

base::Result<BlobDigest> Blobs::Digest(std::string_view key) {
  auto reader = TRY(Open(key));
  base::Sha256 sha;
  BlobDigest digest;
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const size_t size = TRY(reader->Read(piece));
    if (size == 0) break;
    sha.Update(std::string_view(piece).substr(0, size));
    digest.size_bytes += static_cast<int64_t>(size);
  }
  digest.sha256 = sha.FinishHex();
  return digest;
}

}  // namespace slipway::storage
