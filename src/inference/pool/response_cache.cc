// SPDX-License-Identifier: Apache-2.0
// A prediction that was asked before.
#include "inference/pool/response_cache.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/hash.h"
#include "inference/pool/batch.h"

namespace slipway::inference::pool {
namespace {

// Of an entry beside its tensors: list and map nodes, names, shapes.
constexpr int64_t kOverheadBytes = 512;

void Number(base::Sha256& hash, uint64_t value) {
  hash.Update(std::as_bytes(std::span(&value, 1)));
}

void Text(base::Sha256& hash, std::string_view text) {
  Number(hash, text.size());
  hash.Update(text);
}

void Value(base::Sha256& hash, const ParameterValue& value) {
  Number(hash, value.index());
  std::visit(
      [&hash](const auto& one) {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::string>) {
          Text(hash, one);
        } else {
          hash.Update(std::as_bytes(std::span(&one, 1)));
        }
      },
      value);
}

int64_t BytesOf(const Response& response) {
  int64_t bytes = kOverheadBytes;
  for (const NamedTensor& output : response.outputs) {
    bytes += static_cast<int64_t>(output.tensor.bytes().size() + output.name.size());
    for (const std::string& text : output.tensor.strings())
      bytes += static_cast<int64_t>(sizeof(std::string) + text.size());
  }
  return bytes;
}

}  // namespace

ResponseCache::ResponseCache(int64_t limit_bytes)
    : shard_limit_bytes_(limit_bytes / static_cast<int64_t>(kShards)),
      shards_(std::make_unique<Shard[]>(kShards)) {}

std::string ResponseCache::KeyOf(uint64_t model, const Request& request) {
  base::Sha256 hash;
  Number(hash, model);
  Number(hash, request.inputs.size());
  for (const NamedTensor& input : request.inputs) {
    Text(hash, input.name);
    Number(hash, static_cast<uint64_t>(input.tensor.type()));
    Number(hash, input.tensor.shape().size());
    for (const int64_t dimension : input.tensor.shape())
      Number(hash, static_cast<uint64_t>(dimension));
    hash.Update(input.tensor.bytes());
    for (const std::string& text : input.tensor.strings()) Text(hash, text);
  }
  Number(hash, request.outputs.size());
  for (const std::string& output : request.outputs) Text(hash, output);
  for (const auto& [name, value] : request.parameters) {
    Text(hash, name);
    Value(hash, value);
  }
  return hash.FinishHex();
}

ResponseCache::Shard& ResponseCache::ShardOf(const std::string& key) const {
  return shards_[std::hash<std::string>()(key) % kShards];
}

std::optional<Response> ResponseCache::Find(const std::string& key) {
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) return std::nullopt;
  shard.entries.splice(shard.entries.begin(), shard.entries, found->second);
  return found->second->response;
}

void ResponseCache::Put(const std::string& key, const Response& response) {
  Entry entry{key, response, BytesOf(response)};
  if (entry.bytes > shard_limit_bytes_) return;
  // A slice of a batch would keep the whole batch's bytes.
  for (NamedTensor& output : entry.response.outputs) output.tensor = OwnCopy(output.tensor);
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  if (shard.by_key.contains(key)) return;
  shard.bytes += entry.bytes;
  shard.entries.push_front(std::move(entry));
  shard.by_key[shard.entries.front().key] = shard.entries.begin();
  while (shard.bytes > shard_limit_bytes_) {
    shard.bytes -= shard.entries.back().bytes;
    shard.by_key.erase(shard.entries.back().key);
    shard.entries.pop_back();
  }
}

int64_t ResponseCache::bytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < kShards; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    bytes += shards_[i].bytes;
  }
  return bytes;
}

}  // namespace slipway::inference::pool
