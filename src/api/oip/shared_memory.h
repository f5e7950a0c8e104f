// SPDX-License-Identifier: Apache-2.0
// SharedRegions: shared memory that callers on this machine made and registered by name, so that
// tensors need not travel through a socket. Private to the room.
//
// Bytes are copied in and out with pread and pwrite, never mapped: a caller who truncates or
// rewrites the memory while a request runs gets an error or its own new bytes, and the server
// neither crashes nor logs other inputs than the model saw.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/oip/field_path.h"
#include "base/files.h"
#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::api::oip {

inline constexpr size_t kMaxRegions = 4096;

// Immutable; requests in flight keep it open past its unregistering.
struct SharedRegion {
  std::string name;
  std::string key;
  uint64_t offset = 0;  // of the region in the memory object
  uint64_t bytes = 0;
  base::FileHandle file;
};

// A tensor's place in a region.
struct SharedPart {
  std::shared_ptr<const SharedRegion> region;
  uint64_t offset = 0;  // in the region
  uint64_t bytes = 0;

  // Copies the bytes out. kInvalidArgument with `field` when they do not fill the shape or are
  // gone.
  base::Result<inference::Tensor> Read(inference::DataType type, inference::Shape shape,
                                       const FieldPath& field) const;
  // Copies the tensor in. kInvalidArgument with `field` when it does not fit.
  base::Status Write(const inference::Tensor& tensor, const FieldPath& field) const;
};

// "127.0.0.1:50412", "[::1]:50412", "ipv4:127.0.0.1:50412" and the like without the port: who
// calls, as far as the network tells. Takes over `peer`'s bytes.
std::string AddressOf(std::string peer);

// Thread-safe.
class SharedRegions {
 public:
  // `allowed`: "on", "off" or "loopback"; keys are names of files in `folder`.
  explicit SharedRegions(std::string allowed, std::string folder = "/dev/shm");

  // Whether a caller at that address may use regions: kPermissionDenied (reason
  // "shared_memory_denied").
  base::Status Allow(std::string_view address) const;
  // kInvalidArgument: field "key", "offset" or "byte_size"; kNotFound (reason "no_such_key");
  // kAlreadyExists ("region_exists"); kResourceExhausted ("too_many_regions").
  base::Status Register(const std::string& name, const std::string& key, uint64_t offset,
                        uint64_t bytes);
  void Unregister(const std::string& name);  // nothing when there is none of that name
  void UnregisterAll();
  // All, or the one of that name: kNotFound (reason "no_such_region").
  base::Result<std::vector<std::shared_ptr<const SharedRegion>>> List(
      const std::string& name) const;
  // A part of a region; `parameters` is where the caller named it.
  base::Result<SharedPart> Find(const std::string& name, uint64_t offset, uint64_t bytes,
                                const FieldPath& parameters) const;

 private:
  const std::string allowed_;
  const std::string folder_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

// What a decoder may use of shared memory: the regions, for a caller at that address.
struct SharedAccess {
  const SharedRegions& regions;
  std::string_view address;

  base::Result<SharedPart> Find(const std::string& name, uint64_t offset, uint64_t bytes,
                                const FieldPath& parameters) const;
};

}  // namespace slipway::api::oip
