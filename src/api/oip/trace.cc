// SPDX-License-Identifier: Apache-2.0
// What a request's walk took, written down for those requests that the trace settings pick.
#include "api/oip/trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;

constexpr size_t kMaxFileName = 200;

// A setting's value: as a string, as the extension has it, or as a number.
base::Result<int64_t> ReadNumber(std::string_view name, const Json& value, int64_t least) {
  int64_t number = 0;
  bool good = value.is_int();
  if (good) number = value.AsInt();
  if (value.is_string()) {
    const std::string& text = value.AsString();
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    good = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  }
  if (!good || number < least) {
    return InvalidArgument(std::string(name),
                           "expected a number from " + std::to_string(least) + " on");
  }
  return number;
}

Status ReadFile(const Json& value, std::string& out) {
  const bool text = value.is_string() && !value.AsString().empty();
  const bool plain =
      text && value.AsString().size() <= kMaxFileName &&
      std::all_of(value.AsString().begin(), value.AsString().end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
      });
  if (!plain || value.AsString().front() == '.') {
    return InvalidArgument("trace_file",
                           "expected a file's name (letters, digits, '_', '-', '.'); it is written "
                           "in the folder 'traces' of the server's data");
  }
  out = value.AsString();
  return Status::Ok();
}

Status ReadLevel(const Json& value, bool& timestamps) {
  std::vector<Json> levels = value.is_array() ? value.AsArray() : std::vector<Json>{value};
  bool on = false;
  for (const Json& level : levels) {
    if (level.is_string() && level.AsString() == "TIMESTAMPS") {
      on = true;
    } else if (level.is_string() && level.AsString() == "OFF") {
      on = on && levels.size() > 1;
    } else {
      return InvalidArgument("trace_level", "expected OFF or TIMESTAMPS; no other level is traced");
    }
  }
  timestamps = on;
  return Status::Ok();
}

// The settings that are numbers; false: it is none of them.
base::Result<bool> ChangeNumber(const std::string& name, const Json* value,
                                const TraceSettings& first, TraceSettings& out) {
  const struct {
    std::string_view name;
    int64_t TraceSettings::* member;
    int64_t least;
  } numbers[] = {{"trace_rate", &TraceSettings::rate, 1},
                 {"trace_count", &TraceSettings::count, -1},
                 {"log_frequency", &TraceSettings::log_frequency, 0}};
  for (const auto& number : numbers) {
    if (number.name != name) continue;
    out.*number.member =
        value == nullptr ? first.*number.member : TRY(ReadNumber(name, *value, number.least));
    return true;
  }
  return false;
}

// `first`: what null goes back to.
Status Change(const std::string& name, const Json& value, const TraceSettings& first,
              TraceSettings& out) {
  const bool reset = value.is_null() || (value.is_array() && value.AsArray().empty());
  const Json& one = value.is_array() && value.AsArray().size() == 1 ? value.AsArray()[0] : value;
  if (TRY(ChangeNumber(name, reset ? nullptr : &one, first, out))) return Status::Ok();
  if (name == "trace_level") {
    if (!reset) return ReadLevel(value, out.timestamps);
    out.timestamps = first.timestamps;
  } else if (name == "trace_file") {
    if (!reset) return ReadFile(one, out.file);
    out.file = first.file;
  } else if (name == "trace_mode") {
    if (!reset && one != Json("triton"))
      return InvalidArgument(name, "expected 'triton'; no other mode is there");
  } else {
    return InvalidArgument(name,
                           "no such setting; known are trace_level, trace_rate, trace_count, "
                           "log_frequency, trace_file and trace_mode");
  }
  return Status::Ok();
}

Json ToJson(const TraceSettings& settings) {
  return Json::MakeObject(
      {{"trace_level", Json::MakeArray({settings.timestamps ? "TIMESTAMPS" : "OFF"})},
       {"trace_rate", std::to_string(settings.rate)},
       {"trace_count", std::to_string(settings.count)},
       {"log_frequency", std::to_string(settings.log_frequency)},
       {"trace_file", settings.file},
       {"trace_mode", "triton"}});
}

Json Timestamp(std::string_view name, int64_t ns) {
  return Json::MakeObject({{"name", name}, {"ns", ns}});
}

// Who it was and when, as Triton's own traces say it. The times within the model are counted back
// from its answer.
std::string TraceText(int64_t id, const std::string& model, const std::string& request_id,
                      int64_t started_ns, const serving::PredictAnswer& answer) {
  Json who =
      Json::MakeObject({{"id", id}, {"model_name", model}, {"model_version", answer.version}});
  if (!request_id.empty()) who.Set("request_id", request_id);
  who.Set("prediction_id", answer.prediction_id);
  const int64_t end_ns = base::MonotonicNanos();
  Json times = Json::MakeArray({Timestamp("REQUEST_START", started_ns)});
  if (answer.answered_ns != 0) {
    const int64_t compute_ns = answer.answered_ns - answer.timing.run_ns;
    times.Append(Timestamp("QUEUE_START", compute_ns - answer.timing.queue_ns));
    times.Append(Timestamp("COMPUTE_START", compute_ns));
    times.Append(Timestamp("COMPUTE_END", answer.answered_ns));
  }
  times.Append(Timestamp("REQUEST_END", end_ns));
  Json when = Json::MakeObject({{"id", id}, {"timestamps", std::move(times)}});
  return who.Dump() + "," + when.Dump();
}

}  // namespace

Tracer::Tracer(std::string folder) : folder_(std::move(folder)) {}
Tracer::~Tracer() { writer_.Stop(); }

Tracer::Counting& Tracer::Of(const std::string& model) {
  const auto own = models_.find(model);
  return own == models_.end() ? all_ : own->second;
}

bool Tracer::Take(const std::string& model) {
  const std::lock_guard lock(mutex_);
  Counting& counting = Of(model);
  if (!counting.settings.timestamps || counting.settings.count == 0) return false;
  if (counting.seen++ % counting.settings.rate != 0) return false;
  if (counting.settings.count > 0) --counting.settings.count;
  return true;
}

void Tracer::Record(const std::string& model, const std::string& request_id, int64_t started_ns,
                    const serving::PredictAnswer& answer) {
  std::string file;
  int64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    Counting& counting = Of(model);
    id = next_id_++;
    file = counting.settings.file;
    if (counting.settings.log_frequency > 0)
      file += "." + std::to_string(counting.taken / counting.settings.log_frequency);
    ++counting.taken;
  }
  std::string text = TraceText(id, model, request_id, started_ns, answer);
  const Status queued =
      writer_.Submit([this, file = std::move(file), text = std::move(text)] { Write(file, text); });
  if (!queued.ok()) {
    base::Log(base::LogLevel::kWarning, "oip", "a trace was left out",
              {{"error", queued.ToString()}});
  }
}

// The file is a whole JSON array after each trace: the closing bracket is written over.
void Tracer::Write(const std::string& file, const std::string& text) {
  const auto fail = [&](std::string_view why) {
    base::Log(base::LogLevel::kWarning, "oip", "a trace was not written",
              {{"file", file}, {"error", why}});
  };
  const auto folder = base::Directory::Open(folder_, true);
  if (!folder.ok()) return fail(folder.status().ToString());
  const auto handle = folder->OpenFile(file, O_RDWR | O_CREAT | O_CLOEXEC);
  if (!handle.ok()) return fail(handle.status().ToString());
  struct stat facts{};
  if (fstat(handle->fd(), &facts) != 0 || facts.st_size > kMaxTraceFileBytes)
    return fail("the file has reached its limit");
  const bool fresh = facts.st_size == 0;
  const std::string piece = (fresh ? "[" : ",") + text + "]";
  const off_t at = fresh ? 0 : facts.st_size - 1;
  if (pwrite(handle->fd(), piece.data(), piece.size(), at) != static_cast<ssize_t>(piece.size()))
    fail("the disk did not take all of it");
}

Json Tracer::Settings(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto own = models_.find(model);
  return ToJson(own == models_.end() ? all_.settings : own->second.settings);
}

base::Result<Json> Tracer::Update(const std::string& model, const Json& changes) {
  if (!changes.is_object()) return InvalidArgument("body", "expected an object of trace settings");
  const std::lock_guard lock(mutex_);
  const TraceSettings first = model.empty() ? TraceSettings() : all_.settings;
  const TraceSettings before = Of(model).settings;
  TraceSettings after = before;
  for (const auto& [name, value] : changes.AsObject()) TRY(Change(name, value, first, after));
  if (after.timestamps && folder_.empty())
    return InvalidArgument("trace_level", "this server has no folder for traces");
  if (!model.empty() && (changes.AsObject().empty() || after == all_.settings)) {
    models_.erase(model);  // no settings of its own any more
  } else if (!model.empty() && !models_.contains(model) && models_.size() >= kMaxTracedModels) {
    return base::ResourceExhausted(
        "too_many_traced_models",
        std::to_string(kMaxTracedModels) + " models have trace settings of their own");
  } else {
    Counting& counting = model.empty() ? all_ : models_[model];
    // A file that is named anew begins anew; the counting of requests goes on otherwise.
    counting = {after, 0, after.file == before.file ? counting.taken : 0};
  }
  const auto on = [](const Counting& counting) { return counting.settings.timestamps; };
  active_ = on(all_) || std::any_of(models_.begin(), models_.end(),
                                    [&](const auto& own) { return on(own.second); });
  return ToJson(Of(model).settings);
}

}  // namespace slipway::api::oip
