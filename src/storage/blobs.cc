// SPDX-License-Identifier: Apache-2.0
// What every store of artifacts shares: the calls made of the few that each store implements.
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
