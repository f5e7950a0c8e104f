// SPDX-License-Identifier: Apache-2.0
// WandbLog: the records of a run-*.wandb file, which wandb writes beside a run: a header of seven
// bytes, then LevelDB's log framing (blocks of 32 KiB, records in fragments, CRC-32 of the type and
// the bytes), each record a protobuf message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::transfer {

struct WandbRecords {
  std::vector<std::string> records;
  int64_t damaged_blocks = 0;  // from where a fragment is wrong, the rest of its block is left out
  bool cut_off = false;        // the last record is not whole: the run was killed, or goes on
};
// kInvalidArgument (reason "no_wandb_file") of another kind of file.
base::Result<WandbRecords> ReadWandbLog(std::string_view bytes);

// One field of a protobuf message.
struct ProtoField {
  uint32_t number = 0;
  uint64_t value = 0;      // of a varint or a fixed number, as its bits
  std::string_view bytes;  // of a text, bytes or a message
};
// In order; kInvalidArgument (reason "bad_message") when the bytes are no message.
base::Result<std::vector<ProtoField>> ReadProto(std::string_view message);

}  // namespace slipway::transfer
