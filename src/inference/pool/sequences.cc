// SPDX-License-Identifier: Apache-2.0
// A prediction of a stateful model: its turn, its controls, its state.
#include "inference/pool/sequences.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "inference/pool/batch.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

const TensorSpec* FindSpec(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::ranges::find(specs, name, &TensorSpec::name);
  return found == specs.end() ? nullptr : &*found;
}

template <typename T>
void Put(Tensor& tensor, T value) {
  auto* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
  std::fill_n(out, tensor.element_count(), value);
}

// False for types that no control has.
bool Fill(Tensor& tensor, double value) {
  switch (tensor.type()) {
    case DataType::kBool:
      Put(tensor, value != 0);
      return true;
    case DataType::kInt32:
      Put(tensor, static_cast<int32_t>(value));
      return true;
    case DataType::kInt64:
      Put(tensor, static_cast<int64_t>(value));
      return true;
    case DataType::kUint32:
      Put(tensor, static_cast<uint32_t>(value));
      return true;
    case DataType::kUint64:
      Put(tensor, static_cast<uint64_t>(value));
      return true;
    case DataType::kFp32:
      Put(tensor, static_cast<float>(value));
      return true;
    case DataType::kFp64:
      Put(tensor, value);
      return true;
    default:
      return false;
  }
}

base::Status FillId(Tensor& tensor, const std::string& id) {
  if (tensor.type() == DataType::kString) {
    for (std::string& text : tensor.mutable_strings()) text = id;
    return base::Status::Ok();
  }
  uint64_t number = 0;
  const char* end = id.data() + id.size();
  if (const auto read = std::from_chars(id.data(), end, number);
      read.ec != std::errc() || read.ptr != end) {
    return base::InvalidArgument("sequence_id", "this model takes numbers only, not '" + id + "'");
  }
  if (tensor.type() == DataType::kInt64 || tensor.type() == DataType::kUint64) {
    Put(tensor, number);
  } else {
    Fill(tensor, static_cast<double>(number));
  }
  return base::Status::Ok();
}

base::Status NoSuch(const std::string& field, const std::string& name, std::string_view what) {
  return base::InvalidArgument(field, "the model has no " + std::string(what) + " '" + name + "'",
                               "bad_model");
}

}  // namespace

base::Status Sequences::Check(const SequenceConfig& config, const ModelDescription& model) {
  for (const SequenceControl& control : config.controls) {
    const TensorSpec* spec = FindSpec(model.inputs, control.input);
    if (spec == nullptr) return NoSuch("config.sequence.controls", control.input, "input");
    if (spec->type != control.type) {
      return base::InvalidArgument("config.sequence.controls",
                                   "input '" + control.input + "' is " +
                                       std::string(DataTypeName(spec->type)) + ", not " +
                                       std::string(DataTypeName(control.type)),
                                   "bad_model");
    }
  }
  for (const SequenceState& state : config.states) {
    if (FindSpec(model.inputs, state.input) == nullptr)
      return NoSuch("config.sequence.states", state.input, "input");
    if (FindSpec(model.outputs, state.output) == nullptr)
      return NoSuch("config.sequence.states", state.output, "output");
  }
  return base::Status::Ok();
}

ModelDescription Sequences::Public(const ModelConfig& config, ModelDescription model) {
  if (!config.sequence) return model;
  for (const SequenceControl& control : config.sequence->controls)
    std::erase_if(model.inputs, [&](const TensorSpec& spec) { return spec.name == control.input; });
  for (const SequenceState& state : config.sequence->states) {
    std::erase_if(model.inputs, [&](const TensorSpec& spec) { return spec.name == state.input; });
    // One that the author lists among the outputs is shown as well.
    if (FindSpec(config.outputs, state.output) != nullptr) continue;
    std::erase_if(model.outputs, [&](const TensorSpec& spec) { return spec.name == state.output; });
  }
  return model;
}

Sequences::Sequences(const ModelConfig& config, const ModelDescription& model, Forward forward)
    : config_(*config.sequence),
      model_(model),
      public_(Public(config, model)),
      forward_(std::move(forward)) {}

size_t Sequences::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void Sequences::Erase(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  by_age_.erase(found->second->age);
  entries_.erase(found);
}

void Sequences::ForgetIdle(int64_t now_ns) {
  while (!by_age_.empty()) {
    const Entry& oldest = *entries_.at(by_age_.front());
    if (oldest.running || now_ns - oldest.last_ns < config_.max_idle_us * 1000) return;
    Erase(std::string(by_age_.front()));
  }
}

base::Result<Sequences::EntryPtr> Sequences::Enter(const SequencePlace& place, int64_t now_ns) {
  ForgetIdle(now_ns);
  auto found = entries_.find(place.id);
  if (found == entries_.end() && place.start) {
    if (static_cast<int64_t>(entries_.size()) >= config_.max_sequences) {
      return base::ResourceExhausted(
          "too_many_sequences",
          std::to_string(config_.max_sequences) + " sequences are under way already; retry in 1 s");
    }
    auto entry = std::make_shared<Entry>();
    entry->age = by_age_.insert(by_age_.end(), place.id);
    found = entries_.emplace(place.id, std::move(entry)).first;
  }
  if (found == entries_.end() || (!found->second->open && !place.start)) {
    return base::InvalidArgument("sequence_start",
                                 "sequence '" + place.id +
                                     "' is not known: its first request must say that it is the "
                                     "start (it may have been idle for too long, or have ended)",
                                 "unknown_sequence");
  }
  Entry& entry = *found->second;
  if (entry.waiting.size() >= kMostWaiting) {
    return base::ResourceExhausted("queue_full", "sequence '" + place.id + "' already has " +
                                                     std::to_string(kMostWaiting) +
                                                     " requests waiting; retry in 1 s");
  }
  entry.open = !place.end;
  entry.last_ns = now_ns;
  by_age_.splice(by_age_.end(), by_age_, entry.age);
  return found->second;
}

void Sequences::Run(Request request, RunOptions options, RunPart part, int64_t now_ns) {
  const std::string id = request.sequence ? request.sequence->id : std::string();
  if (id.empty() || id == "0") {
    return part(base::InvalidArgument("sequence_id",
                                      "the model is stateful: expected the sequence's number "
                                      "(not 0) or name"),
                {}, true);
  }
  if (model_.batchable && HasRows(request) && request.inputs.front().tensor.rows() != 1) {
    return part(base::InvalidArgument("inputs[0].shape",
                                      "a request of a sequence has one row, not " +
                                          std::to_string(request.inputs.front().tensor.rows())),
                {}, true);
  }
  Item item{std::move(request), std::move(options), std::move(part), {}};
  item.place = *item.request.sequence;
  EntryPtr entry;
  base::Status refused;
  {
    std::lock_guard lock(mutex_);
    auto entered = Enter(item.place, now_ns);
    if (entered.ok()) {
      entry = *entered;
      if (std::exchange(entry->running, true)) {
        entry->waiting.push_back(std::move(item));
        return;
      }
    } else {
      refused = entered.status();
    }
  }
  if (!entry) return item.part(std::move(refused), {}, true);
  Go(entry, std::move(item), true);
}

// Runs the request, and then, one after the other, those that came meanwhile.
void Sequences::Go(const EntryPtr& entry, Item item, bool here) {
  while (true) {
    base::Status status = Fill(*entry, item);
    if (status.ok()) break;
    item.part(std::move(status), {}, true);
    auto next = End(entry, item.place, false);
    if (!next) return;
    item = std::move(*next);
    here = false;
  }
  auto asked = item.request.outputs;
  if (!asked.empty()) {
    for (const SequenceState& state : config_.states) {
      if (std::ranges::find(asked, state.output) == asked.end())
        item.request.outputs.push_back(state.output);
    }
  }
  RunPart part = [this, entry, place = item.place, part = std::move(item.part),
                  asked = std::move(asked)](base::Result<Response> response, RunTiming timing,
                                            bool last) {
    const bool ok = response.ok();
    if (ok) KeepState(*entry, *response, asked);
    if (!last) return part(std::move(response), timing, false);
    // Before the answer: who has it may go on at once.
    auto next = End(entry, place, ok);
    part(std::move(response), timing, true);
    if (next) Go(entry, std::move(*next), false);
  };
  forward_(std::move(item.request), std::move(item.options), std::move(part), here);
}

Shape Sequences::ShapeOf(const std::string& input, const Shape& row) const {
  const TensorSpec* spec = FindSpec(model_.inputs, input);
  Shape shape = row;
  const bool with_rows =
      spec != nullptr && !spec->any_rank ? spec->shape.size() == row.size() + 1 : model_.batchable;
  if (with_rows) shape.insert(shape.begin(), 1);
  for (int64_t& dimension : shape) dimension = std::max<int64_t>(dimension, 0);
  return shape;
}

base::Status Sequences::Control(const SequenceControl& control, const SequencePlace& place,
                                Request& request) const {
  const TensorSpec* spec = FindSpec(model_.inputs, control.input);
  Shape shape = spec->any_rank ? Shape{1} : spec->shape;
  for (int64_t& dimension : shape) dimension = dimension < 0 ? 1 : dimension;
  Tensor tensor(control.type, shape);
  if (control.kind == "id") {
    TRY(FillId(tensor, place.id));
  } else {
    const bool on = control.kind == "start" ? place.start : control.kind != "end" || place.end;
    if (!pool::Fill(tensor, on ? control.on : control.off)) {
      return base::InvalidArgument(
          "config.sequence.controls",
          "a control cannot be of type " + std::string(DataTypeName(control.type)));
    }
  }
  request.inputs.push_back({control.input, std::move(tensor)});
  return base::Status::Ok();
}

base::Status Sequences::Fill(Entry& entry, Item& item) const {
  if (item.place.start) {
    entry.state.clear();
    entry.live = true;
  } else if (!entry.live) {
    return base::InvalidArgument("sequence_start",
                                 "the request that was to start sequence '" + item.place.id +
                                     "' did not run: start it again",
                                 "unknown_sequence");
  }
  const auto ours = [this](const NamedTensor& input) {
    return std::ranges::find(config_.controls, input.name, &SequenceControl::input) !=
               config_.controls.end() ||
           std::ranges::find(config_.states, input.name, &SequenceState::input) !=
               config_.states.end();
  };
  std::erase_if(item.request.inputs, ours);
  for (const SequenceControl& control : config_.controls)
    TRY(Control(control, item.place, item.request));
  for (const SequenceState& state : config_.states) {
    const auto kept = entry.state.find(state.input);
    item.request.inputs.push_back(
        {state.input, kept != entry.state.end()
                          ? kept->second
                          : Tensor(state.type, ShapeOf(state.input, state.shape))});
  }
  // What is told by inputs needs not be told beside them: such requests may share a batch.
  if (!config_.controls.empty() || !config_.states.empty()) item.request.sequence.reset();
  return base::Status::Ok();
}

void Sequences::KeepState(Entry& entry, Response& response,
                          const std::vector<std::string>& asked) const {
  for (const SequenceState& state : config_.states) {
    const auto output = std::ranges::find(response.outputs, state.output, &NamedTensor::name);
    if (output == response.outputs.end()) continue;
    // A slice would keep the whole batch's bytes.
    entry.state[state.input] = OwnCopy(output->tensor);
    const bool wanted = asked.empty() ? FindSpec(public_.outputs, state.output) != nullptr
                                      : std::ranges::find(asked, state.output) != asked.end();
    if (!wanted) response.outputs.erase(output);
  }
}

std::optional<Sequences::Item> Sequences::End(const EntryPtr& entry, const SequencePlace& place,
                                              bool ok) {
  std::lock_guard lock(mutex_);
  if (place.end || (place.start && !ok)) {
    entry->live = false;
    entry->state.clear();
  }
  entry->last_ns = base::MonotonicNanos();
  if (!entry->waiting.empty()) {
    Item next = std::move(entry->waiting.front());
    entry->waiting.pop_front();
    return next;
  }
  entry->running = false;
  if (!entry->live) Erase(place.id);
  return std::nullopt;
}

}  // namespace slipway::inference::pool
