// SPDX-License-Identifier: Apache-2.0
// The bytes of an import.
#include "transfer/copy.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/status.h"
#include "storage/blobs.h"
#include "transfer/files.h"

namespace slipway::transfer {

base::Result<Copied> CopyOnce(SourceFiles& files, const std::string& location,
                              const std::string& path, storage::Blobs& blobs,
                              const std::string& key,
                              const std::function<void(std::span<const char>)>& see) {
  Copied copied;
  const base::Result<storage::BlobInfo> known = blobs.Stat(key);
  copied.added = !known.ok() || known->is_directory;
  std::unique_ptr<storage::BlobWriter> writer;
  if (copied.added) writer = TRY(blobs.Create(key));
  base::Sha256 sha;
  TRY(files.Read(location, path, [&](std::span<const char> piece) -> base::Status {
    sha.Update(std::string_view(piece.data(), piece.size()));
    copied.size_bytes += static_cast<int64_t>(piece.size());
    if (see) see(piece);
    return writer ? writer->Append(piece) : base::Status();
  }));
  if (writer) TRY(writer->Publish());
  copied.equal = TRY(blobs.Digest(key)).sha256 == sha.FinishHex();
  return copied;
}

}  // namespace slipway::transfer
