// SPDX-License-Identifier: Apache-2.0
// The door of the room: who may load, what is there, what is served.
#include "repository/model_repository.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "repository/state.h"

namespace slipway::repository {

using base::Result;
using base::Status;

void Describe(base::Schema& schema, RepositorySettings& settings) {
  schema.Add("repository.models", &settings.models,
             "Folders of models that are served without the registry (layouts of Triton, TF "
             "Serving and MLflow, or single files).");
  schema.AddChoice("repository.mode", &settings.mode,
                   "poll: every model of the folders is loaded, and they are watched; none: loaded "
                   "at start only; explicit: only those of repository.load and of callers.",
                   {"poll", "explicit", "none"});
  schema.Add("repository.poll", &settings.poll,
             "Time between two looks at the folders; 0: they are read at start only.", {0},
             {base::kDay});
  schema.Add("repository.load", &settings.load,
             "Names of models that are loaded at start in mode explicit.");
  schema.AddChoice("repository.unmanaged", &settings.unmanaged,
                   "Who may load and unload models without the registry: allow: every caller; "
                   "loopback: callers on this machine; refuse: nobody, and no folders either.",
                   {"allow", "loopback", "refuse"});
  schema.Add("repository.max_upload_mb", &settings.max_upload_mb,
             "Size in MiB of the files that may come with one load.", 1, 1LL << 20);
}

std::string_view StateName(ModelState state) {
  switch (state) {
    case ModelState::kReady:
      return "READY";
    case ModelState::kLoading:
      return "LOADING";
    default:
      return "UNAVAILABLE";
  }
}

namespace {

// "http 127.0.0.1:50412", "grpc ipv4:127.0.0.1:50412", "grpc ipv6:%5B::1%5D:50412", "internal".
bool IsLocal(const std::string& source) {
  if (source == "internal") return true;
  std::string_view host(source);
  if (const size_t space = host.find(' '); space != std::string_view::npos)
    host.remove_prefix(space + 1);
  for (const std::string_view prefix : {"ipv4:", "ipv6:", "%5B", "["}) {
    if (host.starts_with(prefix)) host.remove_prefix(prefix.size());
  }
  return host.starts_with("127.") || host.starts_with("::1") || host.starts_with("::ffff:127.") ||
         host.starts_with("localhost") || host.starts_with("unix:");
}

void AddManaged(const traffic::Endpoints& endpoints, std::vector<IndexEntry>& index) {
  for (const traffic::Plan& plan : endpoints.List()) {
    std::set<int64_t> versions;
    for (const traffic::Arm& arm : plan.arms) {
      if (versions.insert(arm.version).second)
        index.push_back({plan.endpoint, arm.version, ModelState::kReady, "", true});
    }
  }
}

void AddUnmanaged(const std::string& name, const Entry& entry, std::vector<IndexEntry>& index) {
  const size_t before = index.size();
  for (const auto& [number, loaded] : entry.loaded) {
    const auto failed = entry.failures.find(number);
    index.push_back({name, number, ModelState::kReady,
                     failed == entry.failures.end() ? "" : failed->second, false});
  }
  for (const auto& [number, why] : entry.failures) {
    if (!entry.loaded.contains(number))
      index.push_back({name, number, ModelState::kUnavailable, why, false});
  }
  if (entry.loading && entry.loaded.empty()) {
    index.resize(before);
    index.push_back({name, 0, ModelState::kLoading, "", false});
  } else if (index.size() == before) {
    index.push_back(
        {name, 0, ModelState::kUnavailable, entry.put_away ? "unloaded" : entry.error, false});
  }
}

}  // namespace

Status ModelRepository::State::CheckAllowed(const events::Actor& actor) const {
  if (settings.unmanaged == "allow") return Status::Ok();
  if (settings.unmanaged == "loopback" && IsLocal(actor.source)) return Status::Ok();
  return base::PermissionDenied(
      "unmanaged_refused",
      settings.unmanaged == "refuse"
          ? "models outside the registry are forbidden here (repository.unmanaged: refuse)"
          : "models outside the registry may be loaded from this machine only "
            "(repository.unmanaged: loopback), not from " +
                actor.source);
}

Status ModelRepository::State::CheckName(const std::string& name) const {
  constexpr size_t kMaxNameBytes = 255;
  const bool plain = std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '/' || c == '\\';
  });
  if (name.empty() || name.size() > kMaxNameBytes || name.starts_with('.') || !plain) {
    return base::InvalidArgument(
        "name", "expected 1 to 255 bytes without '/', '\\', control characters or a leading '.'");
  }
  return Status::Ok();
}

Status ModelRepository::State::CheckFree(const std::string& name) const {
  const bool endpoint = parts.endpoints.Find(name) != nullptr;
  if (!endpoint) {
    const auto model = parts.registry.GetModel(name);
    if (!model.ok() && model.status().code() == base::Code::kNotFound) return Status::Ok();
    if (!model.ok()) return model.status();
  }
  return base::AlreadyExists(
      "name_taken", std::string(endpoint ? "an endpoint" : "a registered model") + " is named '" +
                        name + "': an unmanaged model cannot take its place");
}

std::shared_ptr<const traffic::ServedEndpoint> ModelRepository::State::Find(
    std::string_view name) const {
  const auto now = served.Get();
  const auto found = now->models.find(name);
  return found == now->models.end() ? nullptr : found->second;
}

void ModelRepository::State::WriteEvent(const std::string& type, const std::string& name,
                                        const events::Actor& actor, base::Json data) const {
  events::Event event;
  event.type = type;
  event.subject = "unmanaged/" + name;
  event.actor = actor;
  event.data = std::move(data);
  const Status written = parts.database.Write(
      [&](storage::Transaction& transaction) { return parts.events.Append(transaction, event); });
  if (!written.ok()) {
    base::Log(base::LogLevel::kError, "repository", "the event was not written",
              {{"type", type}, {"model", name}, {"error", written.ToString()}});
  }
}

ModelRepository::State::State(Parts given, RepositorySettings settings_given,
                              const std::string& data)
    : parts(given),
      settings(std::move(settings_given)),
      uploads(data + "/unmanaged", settings.max_upload_mb * 1024 * 1024) {}

ModelRepository::ModelRepository(Parts parts, RepositorySettings settings, const std::string& data)
    : state_(std::make_unique<State>(parts, std::move(settings), data)) {}

ModelRepository::~ModelRepository() { Stop(); }

Status ModelRepository::Start() {
  State& state = *state_;
  if (state.settings.unmanaged == "refuse" && !state.settings.models.empty()) {
    return base::InvalidArgument(
        "repository.models",
        "repository.unmanaged: refuse forbids models outside the registry, these folders too");
  }
  TRY(state.uploads.Start());
  for (const std::string& folder : state.settings.models) TRY(FindModels(folder));
  {
    std::lock_guard lock(state.changing);
    state.Scan(true);
  }
  for (const std::string& name : state.settings.load) {
    const Status loaded = Load({name, "", {}, events::Internal("repository")});
    if (!loaded.ok()) {
      base::Log(base::LogLevel::kError, "repository", "a model of repository.load is not served",
                {{"model", name}, {"error", loaded.ToString()}});
    }
  }
  const bool watch = state.settings.mode == "poll" && state.settings.poll.micros > 0 &&
                     !state.settings.models.empty();
  if (watch) state.watcher = std::thread([&state] { state.Watch(); });
  return Status::Ok();
}

void ModelRepository::Stop() {
  {
    std::lock_guard lock(state_->watch_mutex);
    state_->stopping = true;
  }
  state_->watch_changed.notify_all();
  if (state_->watcher.joinable()) state_->watcher.join();
}

std::vector<IndexEntry> ModelRepository::Index(bool ready_only) const {
  std::vector<IndexEntry> index;
  AddManaged(state_->parts.endpoints, index);
  {
    std::lock_guard lock(state_->entries_mutex);
    for (const auto& [name, entry] : state_->entries) AddUnmanaged(name, entry, index);
  }
  if (ready_only) {
    std::erase_if(index, [](const IndexEntry& one) { return one.state != ModelState::kReady; });
  }
  std::ranges::stable_sort(index, [](const IndexEntry& a, const IndexEntry& b) {
    return std::tie(a.name, a.version) < std::tie(b.name, b.version);
  });
  return index;
}

Status ModelRepository::Load(const LoadRequest& request) {
  State& state = *state_;
  TRY(state.CheckName(request.name));
  TRY(state.CheckAllowed(request.actor));
  TRY(state.CheckFree(request.name));
  std::lock_guard lock(state.changing);
  Source source = TRY(state.SourceOf(request));
  const std::string upload = source.upload;
  // The watcher need not load again what this load has seen.
  const std::string seen = SignatureOf(source.found.folder);
  Status loaded = state.LoadSource(request.name, std::move(source), request.actor, true);
  if (!loaded.ok()) {
    state.uploads.Remove(upload);
  } else if (upload.empty()) {
    state.Note(request.name, [&](Entry& entry) { entry.tried = entry.seen = seen; });
  }
  return loaded;
}

Status ModelRepository::Unload(const std::string& name, bool unload_dependents,
                               const events::Actor& actor) {
  State& state = *state_;
  TRY(state.CheckName(name));
  TRY(state.CheckAllowed(actor));
  std::lock_guard lock(state.changing);
  std::set<std::string> steps;
  if (const auto found = state.entries.find(name); found != state.entries.end())
    steps = found->second.steps;
  TRY(state.UnloadOne(name, actor, true));
  if (!unload_dependents) return Status::Ok();
  for (const std::string& step : steps) {
    if (state.Find(step) != nullptr && state.UsersOf(step).empty())
      TRY(state.UnloadOne(step, actor, true));
  }
  return Status::Ok();
}

std::shared_ptr<const traffic::ServedEndpoint> ModelRepository::Find(std::string_view name) const {
  return state_->Find(name);
}

ModelPtr ModelRepository::FindVersion(const std::string& name, int64_t version) const {
  const auto endpoint = state_->Find(name);
  if (endpoint == nullptr) return nullptr;
  for (const traffic::ServedArm& arm : endpoint->arms) {
    if (arm.arm.version == version) return arm.model;
  }
  return nullptr;
}

std::vector<std::string> ModelRepository::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, endpoint] : state_->served.Get()->models) names.push_back(name);
  return names;
}

VersionPolicy ModelRepository::PolicyOf(std::string_view name) const {
  std::lock_guard lock(state_->entries_mutex);
  const auto found = state_->entries.find(std::string(name));
  return found == state_->entries.end() ? VersionPolicy{} : found->second.policy;
}

}  // namespace slipway::repository
