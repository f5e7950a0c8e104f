// SPDX-License-Identifier: Apache-2.0
// A load, step by step: configuration, versions, what is served, and what goes.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "repository/declared_model.h"
#include "repository/state.h"
#include "repository/version_config.h"
#include "traffic/version_loader.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

// Of all that a loaded version was made from.
std::string SignatureOfVersion(const Source& source, int64_t number, const TritonConfig& config) {
  std::string signature = SignatureOf(source.found.versions.at(number)) + source.config;
  if (!source.found.config_path.empty()) signature += SignatureOf(source.found.config_path);
  for (const auto& [output, file] : config.label_files)
    signature += SignatureOf((fs::path(source.found.folder) / file).string());
  return signature;
}

std::shared_ptr<const traffic::ServedEndpoint> EndpointOf(
    const std::string& name, const std::map<int64_t, LoadedVersion>& loaded, int64_t epoch,
    base::Micros since) {
  auto endpoint = std::make_shared<traffic::ServedEndpoint>();
  endpoint->plan.endpoint = name;
  endpoint->plan.epoch = epoch;
  endpoint->plan.since = since;
  for (auto version = loaded.rbegin(); version != loaded.rend(); ++version) {
    const bool newest = version == loaded.rbegin();
    const traffic::Arm arm{std::string(traffic::kUnmanaged), name, version->first,
                           newest ? 1.0 : 0.0};
    endpoint->plan.arms.push_back(arm);
    endpoint->arms.push_back({arm, version->second.model});
  }
  return endpoint;
}

base::Json VersionsJson(const std::map<int64_t, LoadedVersion>& loaded) {
  base::Json versions = base::Json::MakeArray();
  for (const auto& [number, version] : loaded) versions.Append(number);
  return versions;
}

}  // namespace

Result<TritonConfig> ConfigOf(const Source& source) {
  TritonConfig config;
  if (!source.config.empty()) {
    config = TRY(ParseTritonConfigJson(source.config));
  } else if (!source.found.config_path.empty()) {
    config = TRY(ParseTritonConfigText(
        TRY(base::ReadFile(source.found.config_path, static_cast<int64_t>(kMaxConfigBytes)))));
  }
  if (!config.name.empty() && config.name != source.found.name) {
    return base::InvalidArgument(
        "config.name",
        "\"" + config.name + "\", but the model is named \"" + source.found.name + "\"",
        "bad_config");
  }
  TRY(AddLabels(source.found.folder, config));
  return config;
}

Result<LoadedVersion> ModelRepository::State::OpenVersion(const std::string& name, int64_t number,
                                                          const Source& source,
                                                          const TritonConfig& config) {
  const std::string& path = source.found.versions.at(number);
  LoadedVersion opened;
  opened.signature = SignatureOfVersion(source, number, config);
  if (!config.model.ensemble.empty()) {
    opened.model = TRY(OpenEnsemble(name, config));
    traffic::WarmUp(*opened.model);
    return opened;
  }
  // The pool holds the former load of the version under the other of two keys until it is replaced.
  std::string key = "unmanaged/" + name + "/" + std::to_string(number);
  if (const auto entry = entries.find(name); entry != entries.end()) {
    const auto former = entry->second.loaded.find(number);
    if (former != entry->second.loaded.end() && former->second.key == key) key += "/again";
  }
  inference::ModelSource what =
      TRY(traffic::ResolveSource(key, path, config.model, config.model_file));
  // What is declared of shapes changes what callers see of it: such a model is opened to know.
  if (later && config.model.reshapes.empty()) {
    what.accept = [declared = what.config](const inference::ModelDescription& description) {
      return CheckDeclared(description, declared);
    };
    opened.key = key;
    opened.model = parts.pool.LoadOnDemand(key, [what] { return what; });
    return opened;
  }
  auto model = TRY(parts.pool.Load(what));
  auto declared = AsDeclared(std::move(model), what.config);
  if (!declared.ok()) {
    parts.pool.Unload(key);
    return std::move(declared).TakeStatus();
  }
  opened.key = key;
  opened.model = std::move(*declared);
  traffic::WarmUp(*opened.model);
  return opened;
}

// Into `next`: what could be loaded, and why the rest could not. The first failure.
Status ModelRepository::State::OpenVersions(const std::string& name, const Source& source,
                                            const TritonConfig& config, bool again, Entry& next) {
  const auto wanted = WantedVersions(source.found.versions, config.versions);
  if (wanted.empty()) {
    return base::FailedPrecondition("no_version",
                                    "model '" + name + "' has no version that its policy wants");
  }
  std::map<int64_t, LoadedVersion> former;
  if (const auto entry = entries.find(name); entry != entries.end()) former = entry->second.loaded;
  Status first;
  for (const int64_t number : wanted) {
    const auto same = former.find(number);
    if (!again && same != former.end() &&
        same->second.signature == SignatureOfVersion(source, number, config)) {
      next.loaded[number] = same->second;
      continue;
    }
    auto opened = OpenVersion(name, number, source, config);
    if (opened.ok()) {
      next.loaded[number] = std::move(*opened);
      continue;
    }
    next.failures[number] = opened.status().ToString();
    if (first.ok()) {
      first = std::move(opened).TakeStatus();
      first = std::move(first).Annotate("load version " + std::to_string(number) + " of '" + name +
                                        "'");
    }
  }
  // A broken version leaves what was served before it.
  if (!first.ok()) next.loaded.insert(former.begin(), former.end());
  return first;
}

Status ModelRepository::State::LoadSource(const std::string& name, Source source,
                                          const events::Actor& actor, bool again) {
  if (std::ranges::find(opening, name) != opening.end()) {
    return base::FailedPrecondition("ensemble_cycle", "ensemble '" + name + "' needs itself");
  }
  if (entries.size() >= kMaxModels) ForgetFailed();
  if (entries.size() >= kMaxModels && !entries.contains(name)) {
    return base::ResourceExhausted(
        "too_many_models", "there are already " + std::to_string(kMaxModels) + " unmanaged models");
  }
  const int64_t start_ns = base::MonotonicNanos();
  Note(name, [&](Entry& entry) {
    entry.loading = true;
    if (entry.source.found.name.empty()) entry.source = source;
  });
  opening.push_back(name);
  Entry next;
  const auto attempt = [&]() -> Status {
    const TritonConfig config = TRY(ConfigOf(source));
    next.policy = config.versions;
    for (const std::string& field : config.ignored) {
      base::Log(base::LogLevel::kWarning, "repository", "a field has no effect here",
                {{"model", name}, {"field", field}});
    }
    for (const inference::EnsembleStep& step : config.model.ensemble) next.steps.insert(step.model);
    TRY(LoadSteps(config.model, actor));
    return OpenVersions(name, source, config, again, next);
  };
  const Status status = attempt();
  opening.pop_back();
  if (status.ok()) {
    next.source = std::move(source);
    base::Json data = base::Json::MakeObject({{"versions", VersionsJson(next.loaded)},
                                              {"uploaded", !next.source.upload.empty()},
                                              {"folder", next.source.found.folder}});
    Publish(name, std::move(next));
    WriteEvent("unmanaged.loaded", name, actor, std::move(data));
    base::Log(base::LogLevel::kInfo, "repository", "loaded",
              {{"model", name}, {"ms", (base::MonotonicNanos() - start_ns) / 1'000'000}});
    return status;
  }
  TellFailure(name, std::move(source), std::move(next), status, actor);
  return status;
}

void ModelRepository::State::TellFailure(const std::string& name, Source source, Entry next,
                                         const Status& status, const events::Actor& actor) {
  base::Log(base::LogLevel::kError, "repository", "not loaded",
            {{"model", name}, {"error", status.ToString()}});
  WriteEvent("unmanaged.load_failed", name, actor,
             base::Json::MakeObject({{"error", status.ToString()}}));
  // A load with files of its own that failed changes nothing; a folder's versions that did load are
  // served.
  const bool serve_part = source.upload.empty() && source.config.empty() && !next.loaded.empty();
  if (serve_part) {
    next.source = std::move(source);
    return Publish(name, std::move(next));
  }
  for (const auto& [number, version] : next.loaded) {
    const auto& former = entries[name].loaded;
    const auto kept = former.find(number);
    if (kept == former.end() || kept->second.key != version.key) parts.pool.Unload(version.key);
  }
  Note(name, [&](Entry& entry) {
    entry.loading = false;
    entry.failures = std::move(next.failures);
    if (!next.steps.empty()) entry.failed_at = epoch;
    entry.error = status.ToString();
  });
}

void ModelRepository::State::ForgetFailed() {
  std::lock_guard lock(entries_mutex);
  std::erase_if(entries, [](const auto& named) {
    const Entry& entry = named.second;
    const bool of_caller = !entry.source.upload.empty() || entry.source.found.folder.empty();
    return of_caller && entry.loaded.empty() && !entry.loading;
  });
}

void ModelRepository::State::Note(const std::string& name,
                                  const std::function<void(Entry&)>& change) {
  std::lock_guard lock(entries_mutex);
  change(entries[name]);
}

void ModelRepository::State::Publish(const std::string& name, Entry next) {
  auto models = std::make_shared<ServedModels>(*served.Get());
  models->models[name] = EndpointOf(name, next.loaded, ++epoch, parts.clock.Now());
  std::set<std::string> kept;
  for (const auto& [number, version] : next.loaded) kept.insert(version.key);
  Entry former;
  Note(name, [&](Entry& entry) {
    next.seen = entry.seen;
    next.tried = entry.tried;
    former = std::exchange(entry, std::move(next));
  });
  served.Replace(models);
  for (const auto& [number, version] : former.loaded) {
    if (!version.key.empty() && !kept.contains(version.key)) parts.pool.Unload(version.key);
  }
  if (former.source.upload != entries[name].source.upload) uploads.Remove(former.source.upload);
}

std::vector<std::string> ModelRepository::State::UsersOf(const std::string& name) const {
  std::vector<std::string> users;
  for (const auto& [user, entry] : entries) {
    if (!entry.loaded.empty() && entry.steps.contains(name)) users.push_back(user);
  }
  return users;
}

Status ModelRepository::State::UnloadOne(const std::string& name, const events::Actor& actor,
                                         bool put_away) {
  const auto found = entries.find(name);
  if (found == entries.end() || found->second.loaded.empty()) {
    if (parts.endpoints.Find(name) != nullptr) {
      return base::FailedPrecondition(
          "model_managed",
          "'" + name + "' is an endpoint of the registry: move its versions there");
    }
    return base::NotFound("model_not_loaded", "no unmanaged model '" + name + "' is loaded");
  }
  if (const auto users = UsersOf(name); !users.empty()) {
    return base::FailedPrecondition("model_in_use",
                                    "ensemble '" + users.front() + "' needs '" + name + "'");
  }
  auto models = std::make_shared<ServedModels>(*served.Get());
  models->models.erase(name);
  served.Replace(models);
  const Entry former = found->second;
  {
    std::lock_guard lock(entries_mutex);
    // A model whose files came with the load is gone with them.
    if (!former.source.upload.empty() || !put_away) {
      entries.erase(name);
    } else {
      entries[name] = Entry{};
      entries[name].source = former.source;
      entries[name].put_away = true;
    }
  }
  for (const auto& [number, version] : former.loaded) parts.pool.Unload(version.key);
  uploads.Remove(former.source.upload);
  WriteEvent("unmanaged.unloaded", name, actor,
             base::Json::MakeObject({{"versions", VersionsJson(former.loaded)}}));
  return Status::Ok();
}

}  // namespace slipway::repository
