// SPDX-License-Identifier: Apache-2.0
// Folders that change: what is new and settled is loaded, what is gone is unloaded.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "repository/state.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

const events::Actor kWatcher = events::Internal("repository");

std::string SignatureOfModel(const FoundModel& found) { return SignatureOf(found.folder); }

}  // namespace

Result<Source> ModelRepository::State::FindSource(const std::string& name) const {
  for (const std::string& folder : settings.models) {
    const auto models = FindModels(folder);
    if (!models.ok()) continue;
    const auto found = std::ranges::find(*models, name, &FoundModel::name);
    if (found != models->end()) return Source{*found, "", ""};
  }
  return base::NotFound("model_not_found",
                        settings.models.empty()
                            ? "no model '" + name +
                                  "': this server has no folder of models (repository.models), and "
                                  "the load brought no files"
                            : "no folder of repository.models has a model '" + name + "'");
}

Result<Source> ModelRepository::State::SourceOf(const LoadRequest& request) {
  Source source;
  if (!request.files.empty()) {
    source.upload = TRY(uploads.Store(request.files));
    auto found = FindModelIn(request.name, source.upload);
    if (!found.ok()) {
      uploads.Remove(source.upload);
      return std::move(found).TakeStatus();
    }
    source.found = std::move(*found);
  } else {
    auto found = FindSource(request.name);
    // An ensemble has no files: its configuration is all of it.
    if (!found.ok() && !request.config.empty() && found.status().code() == base::Code::kNotFound) {
      source.found.name = request.name;
      source.found.versions[1] = "";
    } else {
      source = TRY(std::move(found));
    }
  }
  source.config = request.config;
  return source;
}

void ModelRepository::State::Look(const FoundModel& found, bool first) {
  const std::string signature = SignatureOfModel(found);
  bool load = first;
  bool skip = false;
  Note(found.name, [&](Entry& entry) {
    const bool may_come = entry.failed_at && *entry.failed_at != epoch;
    skip =
        entry.put_away || !entry.source.upload.empty() || (entry.tried == signature && !may_come);
    // Something that is still being written is given time: what the last look saw must hold.
    load = first || entry.seen == signature;
    entry.seen = signature;
    if (entry.source.found.name.empty()) entry.source.found = found;
    if (!skip && load) entry.tried = signature;
  });
  if (skip || !load) return;
  Status status = CheckName(found.name);
  if (status.ok()) status = CheckFree(found.name);
  if (!status.ok()) {
    Note(found.name, [&](Entry& entry) { entry.error = status.ToString(); });
    base::Log(base::LogLevel::kError, "repository", "not loaded",
              {{"model", found.name}, {"error", status.ToString()}});
    return;
  }
  // A failure is in the log and in the index; it is tried again when the files change.
  later = parts.on_demand;
  (void)LoadSource(found.name, Source{found, "", ""}, kWatcher, false);
  later = false;
}

void ModelRepository::State::ForgetGone(const std::set<std::string>& found,
                                        const std::set<std::string>& unreadable) {
  std::vector<std::string> gone;
  for (const auto& [name, entry] : entries) {
    if (!entry.source.upload.empty() || found.contains(name)) continue;
    // A load of a caller that has no folder: an ensemble.
    if (entry.source.found.folder.empty()) continue;
    const bool unknown = std::ranges::any_of(unreadable, [&](const std::string& folder) {
      return entry.source.found.folder.starts_with(folder);
    });
    if (!unknown) gone.push_back(name);
  }
  for (const std::string& name : gone) {
    if (entries[name].loaded.empty()) {
      std::lock_guard lock(entries_mutex);
      entries.erase(name);
      continue;
    }
    const Status status = UnloadOne(name, kWatcher, false);
    if (!status.ok()) {
      base::Log(base::LogLevel::kWarning, "repository", "its files are gone, but it is needed",
                {{"model", name}, {"error", status.ToString()}});
    }
  }
}

void ModelRepository::State::Scan(bool first) {
  std::set<std::string> seen;
  std::set<std::string> unreadable;
  for (const std::string& folder : settings.models) {
    const auto models = FindModels(folder);
    if (!models.ok()) {
      unreadable.insert(folder);
      base::Log(base::LogLevel::kWarning, "repository", "the folder cannot be read",
                {{"folder", folder}, {"error", models.status().ToString()}});
      continue;
    }
    for (const FoundModel& found : *models) {
      // Of two folders that have one name the first counts.
      if (!seen.insert(found.name).second) continue;
      if (first && settings.mode == "explicit") {
        Note(found.name, [&](Entry& entry) {
          entry.source.found = found;
          entry.put_away = true;
        });
      } else {
        Look(found, first);
      }
    }
  }
  if (!first) ForgetGone(seen, unreadable);
}

void ModelRepository::State::Watch() {
  const auto pause = std::chrono::microseconds(settings.poll.micros);
  std::unique_lock lock(watch_mutex);
  while (!watch_changed.wait_for(lock, pause, [this] { return stopping; })) {
    lock.unlock();
    {
      std::lock_guard change(changing);
      Scan(false);
    }
    lock.lock();
  }
}

}  // namespace slipway::repository
