// SPDX-License-Identifier: Apache-2.0
// A prediction whose tensors lie in memory that the caller shares.
#include "api/oip/shared_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "api/oip/infer.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::Tensor;

constexpr size_t kMaxKeyLength = 255;
constexpr std::string_view kOwnKeys = "slipway";  // the server's own memory begins with it
constexpr auto kMostBytes = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

// Bytes that were really there; fewer than asked for when the caller has cut its memory short.
uint64_t ReadAll(int fd, char* out, uint64_t bytes, uint64_t offset) {
  uint64_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(fd, out + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<uint64_t>(got);
  }
  return done;
}

bool WriteAll(int fd, const char* from, uint64_t bytes, uint64_t offset) {
  uint64_t done = 0;
  while (done < bytes) {
    const ssize_t put = pwrite(fd, from + done, bytes - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<uint64_t>(put);
  }
  return true;
}

// The size of the object behind `file`; nothing when it is no ordinary file.
std::optional<uint64_t> SizeOfFile(const base::FileHandle& file) {
  struct stat facts{};
  if (fstat(file.fd(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(facts.st_size);
}

// "/name" or "name" -> "name".
base::Result<std::string> FileName(const std::string& key) {
  const std::string name = key.starts_with('/') ? key.substr(1) : key;
  const bool plain = name.find('/') == name.npos && name.find('\0') == name.npos;
  if (name.empty() || name == "." || name == ".." || !plain || name.size() > kMaxKeyLength) {
    return InvalidArgument("key",
                           "expected the name of a POSIX shared memory object: '/' and at "
                           "most 255 characters without another '/'");
  }
  if (name.starts_with(kOwnKeys))
    return InvalidArgument("key", "names that begin with 'slipway' are the server's own");
  return name;
}

Status Shrunk(const FieldPath& field, const SharedRegion& region) {
  return InvalidArgument(field.Text(), "the memory behind region '" + region.name +
                                           "' is shorter than it was when it was registered");
}

}  // namespace

base::Result<Tensor> SharedPart::Read(DataType type, inference::Shape shape,
                                      const FieldPath& field) const {
  const int64_t count = TRY(inference::ElementCount(shape));
  const uint64_t from = region->offset + offset;
  if (type == DataType::kString) {
    std::string raw(bytes, '\0');
    if (ReadAll(region->file.fd(), raw.data(), bytes, from) != bytes) return Shrunk(field, *region);
    return TensorFromRaw(type, std::move(shape), raw, nullptr, field);
  }
  const uint64_t wanted = static_cast<uint64_t>(count) * SizeOf(type);
  if (bytes != wanted) {
    return InvalidArgument(field.Text(), "expected " + std::to_string(wanted) + " bytes for " +
                                             std::to_string(count) + " elements of " +
                                             std::string(DataTypeName(type)) + ", got " +
                                             std::to_string(bytes));
  }
  Tensor tensor(type, std::move(shape));
  if (bytes == 0) return tensor;
  char* out = reinterpret_cast<char*>(tensor.mutable_bytes().data());
  if (ReadAll(region->file.fd(), out, bytes, from) != bytes) return Shrunk(field, *region);
  return tensor;
}

Status SharedPart::Write(const Tensor& tensor, const FieldPath& field) const {
  const size_t size = RawSize(tensor);
  if (size > bytes) {
    return InvalidArgument(field.Text(), "has room for " + std::to_string(bytes) +
                                             " bytes, but the output has " + std::to_string(size));
  }
  const uint64_t to = region->offset + offset;
  // Writing past its end would grow the caller's memory again.
  const auto now = SizeOfFile(region->file);
  if (!now || *now < to + size) return Shrunk(field, *region);
  std::string raw;
  std::string_view from;
  if (tensor.type() == DataType::kString) {
    AppendRaw(raw, tensor);
    from = raw;
  } else {
    from = {reinterpret_cast<const char*>(tensor.bytes().data()), size};
  }
  return WriteAll(region->file.fd(), from.data(), size, to) ? Status::Ok() : Shrunk(field, *region);
}

std::string AddressOf(std::string peer) {
  if (const size_t port = peer.rfind(':'); port != peer.npos && !peer.starts_with("unix"))
    peer.resize(port);
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (peer.starts_with(scheme)) peer.erase(0, scheme.size());
  }
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("%5B", "%5D")}) {
    if (!peer.starts_with(open) || !peer.ends_with(close)) continue;
    peer.erase(peer.size() - std::string_view(close).size());
    peer.erase(0, std::string_view(open).size());
  }
  return peer;
}

SharedRegions::SharedRegions(std::string allowed, std::string folder)
    : allowed_(std::move(allowed)), folder_(std::move(folder)) {}

Status SharedRegions::Allow(std::string_view address) const {
  if (allowed_ == "on") return Status::Ok();
  if (allowed_ == "off") {
    return base::PermissionDenied("shared_memory_denied",
                                  "shared memory is off here (oip.shared_memory)");
  }
  const bool here = address.starts_with("127.") || address == "::1" ||
                    address.starts_with("::ffff:127.") || address.starts_with("unix");
  if (here) return Status::Ok();
  return base::PermissionDenied(
      "shared_memory_denied",
      "shared memory is for callers on this machine's loopback address (oip.shared_memory)");
}

Status SharedRegions::Register(const std::string& name, const std::string& key, uint64_t offset,
                               uint64_t bytes) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return InvalidArgument(
        "name", "expected a region's name of 1 to " + std::to_string(kMaxNameBytes) + " bytes");
  }
  const std::string file_name = TRY(FileName(key));
  if (bytes == 0 || bytes > kMostBytes) return InvalidArgument("byte_size", "expected 1 or more");
  if (offset > kMostBytes - bytes)
    return InvalidArgument("offset", "expected 0 or more bytes within the memory");
  const std::string path = folder_ + "/" + file_name;
  base::FileHandle file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT)
    return base::NotFound("no_such_key", "key: there is no shared memory object '" + key + "'");
  if (!file.valid())
    return InvalidArgument("key", "the server may not read and write '" + key + "'");
  const auto size = SizeOfFile(file);
  if (!size) return InvalidArgument("key", "'" + key + "' is not shared memory");
  if (offset + bytes > *size) {
    return InvalidArgument("byte_size", "offset " + std::to_string(offset) + " and " +
                                            std::to_string(bytes) + " bytes reach past the " +
                                            std::to_string(*size) + " bytes of '" + key + "'");
  }
  auto region =
      std::make_shared<const SharedRegion>(SharedRegion{name, key, offset, bytes, std::move(file)});
  const std::lock_guard lock(mutex_);
  if (regions_.contains(name)) {
    return base::AlreadyExists("region_exists",
                               "name: region '" + name + "' is registered; unregister it first");
  }
  if (regions_.size() >= kMaxRegions) {
    return base::ResourceExhausted("too_many_regions",
                                   std::to_string(kMaxRegions) + " regions are registered");
  }
  regions_.emplace(name, std::move(region));
  return Status::Ok();
}

void SharedRegions::Unregister(const std::string& name) {
  const std::lock_guard lock(mutex_);
  regions_.erase(name);
}

void SharedRegions::UnregisterAll() {
  const std::lock_guard lock(mutex_);
  regions_.clear();
}

base::Result<std::vector<std::shared_ptr<const SharedRegion>>> SharedRegions::List(
    const std::string& name) const {
  std::vector<std::shared_ptr<const SharedRegion>> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [own, region] : regions_) {
    if (name.empty() || own == name) all.push_back(region);
  }
  if (all.empty() && !name.empty())
    return base::NotFound("no_such_region", "there is no shared memory region '" + name + "'");
  return all;
}

base::Result<SharedPart> SharedRegions::Find(const std::string& name, uint64_t offset,
                                             uint64_t bytes, const FieldPath& parameters) const {
  std::shared_ptr<const SharedRegion> region;
  {
    const std::lock_guard lock(mutex_);
    const auto found = regions_.find(name);
    if (found != regions_.end()) region = found->second;
  }
  if (region == nullptr) {
    return InvalidArgument(parameters.Member("shared_memory_region").Text(),
                           "there is no shared memory region '" + name + "'");
  }
  if (offset > region->bytes) {
    return InvalidArgument(parameters.Member("shared_memory_offset").Text(),
                           "region '" + name + "' has " + std::to_string(region->bytes) +
                               " bytes, got offset " + std::to_string(offset));
  }
  if (bytes > region->bytes - offset) {
    return InvalidArgument(parameters.Member("shared_memory_byte_size").Text(),
                           "region '" + name + "' has " + std::to_string(region->bytes - offset) +
                               " bytes from offset " + std::to_string(offset) + " on, got " +
                               std::to_string(bytes));
  }
  return SharedPart{std::move(region), offset, bytes};
}

base::Result<SharedPart> SharedAccess::Find(const std::string& name, uint64_t offset,
                                            uint64_t bytes, const FieldPath& parameters) const {
  if (const Status allowed = regions.Allow(address); !allowed.ok()) {
    return Status(allowed.code(), allowed.reason(), allowed.message(),
                  parameters.Member("shared_memory_region").Text());
  }
  return regions.Find(name, offset, bytes, parameters);
}

}  // namespace slipway::api::oip
