// SPDX-License-Identifier: Apache-2.0
// What every store of artifacts shares: which keys are good, and the calls made of the few that
// each store implements.
#include "storage/blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/status.h"
#include "storage/address.h"
#include "storage/blob_key.h"
#include "storage/folders.h"

namespace slipway::storage {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

base::Status BadKey(std::string_view why) {
  return base::InvalidArgument("key", "a key " + std::string(why), "bad_key");
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

base::Status WriteAll(int fd, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return base::FromErrno(errno, "write " + name);
    bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(written, 0)));
  }
  return base::Status::Ok();
}

base::Status CopyFileToLocal(BlobReader& from, const base::Directory& root,
                             const std::string& name) {
  const base::FileHandle folder = TRY(OpenFolder(root, ParentOf(name), MakeFolders::kYes));
  const base::FileHandle file = TRY(root.OpenFile(name, O_WRONLY | O_CREAT | O_TRUNC));
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const size_t size = TRY(from.Read(piece));
    if (size == 0) return base::Status::Ok();
    TRY(WriteAll(file.fd(), std::string_view(piece).substr(0, size), name));
  }
}

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

base::Result<BlobDigest> Blobs::Put(std::string_view key, std::string_view bytes) {
  auto writer = TRY(Create(key));
  TRY(writer->Append(bytes));
  return writer->Publish();
}

base::Result<std::string> Blobs::Get(std::string_view key, int64_t most_bytes) {
  auto reader = TRY(Open(key));
  if (reader->size_bytes() > most_bytes) {
    return base::ResourceExhausted(
        "blob_too_large", std::string(key) + " has " + std::to_string(reader->size_bytes()) +
                              " bytes; at most " + std::to_string(most_bytes) + " were expected");
  }
  std::string bytes(static_cast<size_t>(reader->size_bytes()), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const size_t size = TRY(reader->Read(std::span(bytes).subspan(filled)));
    if (size == 0) {
      return base::Status(base::Code::kDataLoss, "blob_short",
                          std::string(key) + " is shorter than its listed size");
    }
    filled += size;
  }
  return bytes;
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

base::Status Blobs::CopyToLocal(std::string_view folder, const std::string& local_folder) {
  const std::vector<BlobInfo> files = TRY(ListAll(folder));
  if (files.empty()) return base::NotFound("no_blob", "nothing is below " + std::string(folder));
  const base::Directory root = TRY(base::Directory::Open(local_folder, true));
  for (const BlobInfo& file : files) {
    TRY(CheckKey(file.key));  // a bucket may hold what others wrote
    auto reader = TRY(Open(JoinKey(folder, file.key)));
    TRY(CopyFileToLocal(*reader, root, file.key));
  }
  return base::Status::Ok();
}

base::Result<std::unique_ptr<Blobs>> OpenBlobs(const std::string& uri,
                                               const std::string& data_folder,
                                               std::span<const BlobStore> stores) {
  for (const BlobStore& store : stores) {
    if (SchemeOf(uri) == store.scheme) return store.open(ResolveAddress(uri, data_folder));
  }
  std::string known;
  for (const BlobStore& store : stores)
    known.append(known.empty() ? "" : ", ").append(store.scheme);
  return base::InvalidArgument("uri",
                               "artifacts: expected an address that begins with one of " + known);
}

}  // namespace slipway::storage
