// SPDX-License-Identifier: Apache-2.0
// What the server and a Python worker say to each other; python/slipway_worker/wire.py is the other
// end. One message is one packet: Head, a table of tensors, and a JSON object that may be absent.
// Tensors lie in a Segment. Nothing that a worker says is trusted: places are held against the
// segment before they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/python/segment.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::python {

inline constexpr size_t kMostMessageBytes = 128 * 1024;
inline constexpr uint32_t kInputKept = 1;  // flag: the model still looks into its input

enum class ToWorker : uint32_t { kLoad = 1, kRun, kStream, kSegment, kMore, kForget };
enum class FromWorker : uint32_t { kReady = 1, kAnswer, kPart, kEnd, kError, kGrow };

struct Head {
  uint32_t kind = 0;
  uint32_t table_bytes = 0;
  uint32_t first = 0;   // a segment's number
  uint32_t second = 0;  // another one's, or flags
};

struct Message {
  Head head;
  std::string_view table;  // both into the packet
  std::string_view rest;
};
base::Result<Message> ParseMessage(std::string_view packet);
std::string MakeMessage(ToWorker kind, std::string_view table, uint32_t first, uint32_t second,
                        std::string_view rest);

// Bytes of shared memory that the tensors take.
size_t PlacedBytes(const std::vector<NamedTensor>& tensors);
// Copies them there (`memory` is at least PlacedBytes long) and appends their table.
void PlaceTensors(const std::vector<NamedTensor>& tensors, std::span<std::byte> memory,
                  std::string& table);
// The tensors of a table. Small ones are copied; large ones keep `segment`.
base::Result<std::vector<NamedTensor>> TakeTensors(std::string_view table,
                                                   const std::shared_ptr<Segment>& segment);

// What goes with the tensors: parameters, outputs asked for, the place in a sequence. Empty: none.
std::string RestOf(const Request& request);
// What a worker says when its model is loaded.
base::Result<ModelDescription> ReadDescription(const base::Json& json);
base::Json SpecsJson(const std::vector<TensorSpec>& specs);
// What a worker says when it failed: its code, reason and message.
base::Status ReadFailure(const base::Json& json);

}  // namespace slipway::inference::python
