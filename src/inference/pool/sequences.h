// SPDX-License-Identifier: Apache-2.0
// Sequences: the requests of a stateful model. Those of one sequence run in order and one at a
// time, with what the model gave as its state; those of different sequences know nothing of each
// other and may share a batch. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/status.h"
#include "inference/model_pool.h"

namespace slipway::inference::pool {

class Sequences {
 public:
  // Of one sequence; past it kResourceExhausted (reason "queue_full").
  static constexpr size_t kMostWaiting = 256;
  // Runs a filled request; `here`: it may run on this thread.
  using Forward = std::function<void(Request, RunOptions, RunPart, bool here)>;

  // Whether the model has what its config names. kInvalidArgument (field "config.sequence...").
  static base::Status Check(const SequenceConfig& config, const ModelDescription& model);
  // The model as its callers see it: without control inputs and state.
  static ModelDescription Public(const ModelConfig& config, ModelDescription model);

  Sequences(const ModelConfig& config, const ModelDescription& model, Forward forward);
  // Calls `part` as LoadedModel::RunStream does. kInvalidArgument: no sequence named (field
  // "sequence_id"), one that is not known without start (field "sequence_start"), more than a row.
  // kResourceExhausted: reason "too_many_sequences".
  void Run(Request request, RunOptions options, RunPart part, int64_t now_ns);
  [[nodiscard]] size_t size() const;

 private:
  struct Item {
    Request request;
    RunOptions options;
    RunPart part;
    SequencePlace place;
  };
  struct Entry {
    bool open = true;      // more may come without a start
    bool live = false;     // its start has run
    bool running = false;  // one of its requests is under way
    int64_t last_ns = 0;
    std::map<std::string, Tensor> state;  // by input; touched by the request under way only
    std::deque<Item> waiting;
    std::list<std::string>::iterator age;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  base::Result<EntryPtr> Enter(const SequencePlace& place, int64_t now_ns);  // under mutex_
  void ForgetIdle(int64_t now_ns);                                           // under mutex_
  void Erase(const std::string& id);                                         // under mutex_
  void Go(const EntryPtr& entry, Item item, bool here);
  base::Status Fill(Entry& entry, Item& item) const;
  base::Status Control(const SequenceControl& control, const SequencePlace& place,
                       Request& request) const;
  Shape ShapeOf(const std::string& input, const Shape& row) const;
  void KeepState(Entry& entry, Response& response, const std::vector<std::string>& asked) const;
  std::optional<Item> End(const EntryPtr& entry, const SequencePlace& place, bool ok);

  const SequenceConfig config_;
  const ModelDescription model_;
  const ModelDescription public_;
  const Forward forward_;
  mutable std::mutex mutex_;
  std::map<std::string, EntryPtr> entries_;  // guarded by mutex_
  std::list<std::string> by_age_;            // guarded by mutex_; the longest silent first
};

}  // namespace slipway::inference::pool
