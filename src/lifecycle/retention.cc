// SPDX-License-Identifier: Apache-2.0
// A version's walk, after its end: garbage is found, told, and on request removed.
#include "lifecycle/retention.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "registry/records.h"
#include "tracking/purge.h"

namespace slipway::lifecycle {
namespace {

using base::Json;

// Any version keeps what it was made from.
base::Result<std::string> KeptBy(storage::Transaction& transaction, const std::string& run_id,
                                 const std::string& model_id) {
  registry::VersionQuery query;
  if (!run_id.empty()) query.run_id = run_id;
  if (!model_id.empty()) query.model_id = model_id;
  const auto versions = TRY(registry::LoadVersions(transaction, query));
  if (versions.empty()) return std::string();
  return "version " + std::to_string(versions.front().number) + " of model '" +
         versions.front().model + "' comes from it";
}

Json ToJson(const std::vector<Garbage>& list) {
  Json array = Json::MakeArray();
  for (const Garbage& one : list) {
    array.Append(Json::MakeObject({{"kind", one.kind},
                                   {"subject", one.subject},
                                   {"why", one.why},
                                   {"folder", one.folder},
                                   {"files", one.files},
                                   {"size_bytes", one.size_bytes}}));
  }
  return array;
}

Json Totals(const std::vector<Garbage>& list) {
  struct Total {
    int64_t count = 0, files = 0, size_bytes = 0;
  };
  std::map<std::string, Total> totals;
  for (const Garbage& one : list) {
    for (const std::string& kind : {one.kind, std::string("all")}) {
      Total& total = totals[kind];
      ++total.count;
      total.files += one.files;
      total.size_bytes += one.size_bytes;
    }
  }
  Json json = Json::MakeObject();
  for (const auto& [kind, total] : totals) {
    json.Set(kind, Json::MakeObject({{"count", total.count},
                                     {"files", total.files},
                                     {"size_bytes", total.size_bytes}}));
  }
  return json;
}

std::string VersionSubject(const registry::Version& version) {
  return "model/" + version.model + "/version/" + std::to_string(version.number);
}

}  // namespace

void Describe(base::Schema& schema, RetentionSettings& settings) {
  schema.Add("retention.deleted_after", &settings.deleted_after,
             "How long deleted runs, logged models and failed versions can still be looked at.",
             {0}, {3650 * base::kDay});
  schema.Add("retention.archived_after", &settings.archived_after,
             "How long archived versions stay; 0: for good.", {0}, {3650 * base::kDay});
  schema.Add("retention.archived_keep", &settings.archived_keep,
             "Newest archived versions of each model that stay in any case.", 0, 1000);
  schema.Add("retention.orphan_after", &settings.orphan_after,
             "How long files must have been seen without an owner before they go.", {0},
             {3650 * base::kDay});
}

Json ToJson(const GarbageReport& report) {
  return Json::MakeObject({{"applied", report.applied},
                           {"removed", ToJson(report.removed)},
                           {"totals", Totals(report.removed)},
                           {"kept", ToJson(report.kept)}});
}

base::Result<GarbageReport> Retention::Collect(bool apply, const events::Actor& actor) {
  const std::unique_lock only(mutex_, std::try_to_lock);
  if (!only.owns_lock())
    return base::Status(base::Code::kAborted, "gc_running", "another collection is under way");
  GarbageReport report;
  report.applied = apply;
  std::vector<Candidate> found;
  TRY(FindDeleted(actor, found, report.kept));
  TRY(FindVersions(actor, found));
  TRY(FindOrphans(apply, found, report.kept));
  for (Candidate& candidate : found) {
    TRY(Measure(candidate.garbage));
    const base::Status removed = apply ? candidate.remove() : base::Status();
    if (removed.ok()) {
      report.removed.push_back(std::move(candidate.garbage));
      continue;
    }
    // Somebody took it into use meanwhile: it stays. What cannot be done ends the collection.
    const bool taken = removed.code() == base::Code::kFailedPrecondition ||
                       removed.code() == base::Code::kNotFound ||
                       removed.code() == base::Code::kAborted;
    if (!taken) return removed;
    candidate.garbage.why = removed.message();
    report.kept.push_back(std::move(candidate.garbage));
  }
  if (apply) TRY(Record(report, actor));
  return report;
}

base::Status Retention::FindDeleted(const events::Actor& actor, std::vector<Candidate>& found,
                                    std::vector<Garbage>& kept) {
  const base::Micros before = parts_.clock.Now() - settings_.deleted_after.micros;
  for (const tracking::Deleted& deleted : TRY(tracking::DeletedBefore(parts_.database, before))) {
    const bool run = !deleted.run_id.empty();
    Garbage garbage{run ? "run" : "logged_model",
                    run ? "run/" + deleted.run_id : "logged_model/" + deleted.model_id,
                    "deleted before " + base::FormatTime(before),
                    std::string(tracking::kArtifactFolder) + deleted.experiment_id + "/" +
                        (run ? deleted.run_id : "models/" + deleted.model_id)};
    std::string needed;
    TRY(parts_.database.Read([&](storage::Transaction& transaction) -> base::Status {
      needed = TRY(tracking::LineageOf(transaction, deleted, KeptBy));
      return {};
    }));
    if (!needed.empty()) {
      garbage.why = needed;
      kept.push_back(std::move(garbage));
      continue;
    }
    const std::string folder = garbage.folder;
    found.push_back({std::move(garbage), [this, deleted, folder, actor]() -> base::Status {
                       TRY(tracking::Purge(parts_.database, parts_.events, deleted, KeptBy, actor));
                       return RemoveFolder(folder);
                     }});
  }
  return {};
}

base::Status Retention::FindVersions(const events::Actor& actor, std::vector<Candidate>& found) {
  const base::Micros now = parts_.clock.Now();
  std::map<std::string, int64_t> archived;  // so far, of each model, newest first
  std::vector<registry::Version> versions = TRY(parts_.registry.FindVersions({}));
  std::ranges::reverse(versions);
  for (const registry::Version& version : versions) {
    std::string why;
    if (version.status == "FAILED_REGISTRATION" &&
        version.updated < now - settings_.deleted_after.micros) {
      why = "was never registered: " + version.status_message;
    } else if (version.stage == registry::Stage::kArchived &&
               ++archived[version.model] > settings_.archived_keep &&
               settings_.archived_after.micros > 0 &&
               version.updated < now - settings_.archived_after.micros) {
      why = "archived since " + base::FormatTime(version.updated);
    }
    if (why.empty() || !version.aliases.empty()) continue;
    Garbage garbage{"version", VersionSubject(version), std::move(why), version.Folder()};
    found.push_back({std::move(garbage), [this, version, actor] {
                       return parts_.registry.DeleteVersion(version.model, version.number, actor);
                     }});
  }
  return {};
}

namespace {

// An experiment may keep its artifacts at any path that its user named: only what carries the id of
// a run can have lost its owner.
bool IsRunId(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

base::Status Retention::AddArtifacts(const std::string& experiment, Folders& folders) {
  using tracking::ArtifactOwner;
  const std::string root = std::string(tracking::kArtifactFolder) + experiment;
  const auto add = [&](const std::string& folder, ArtifactOwner owner, const std::string& id) {
    folders[folder] = [this, owner, id] { return tracking::Knows(parts_.database, owner, id); };
  };
  for (const storage::BlobInfo& child : TRY(parts_.blobs.List(root))) {
    if (!child.is_directory) continue;
    const std::string below = root + "/" + child.key;
    if (child.key != "models" && child.key != "traces") {
      if (IsRunId(child.key)) add(below, ArtifactOwner::kRun, child.key);
      continue;
    }
    const ArtifactOwner owner =
        child.key == "models" ? ArtifactOwner::kLoggedModel : ArtifactOwner::kTrace;
    for (const storage::BlobInfo& one : TRY(parts_.blobs.List(below)))
      add(below + "/" + one.key, owner, one.key);
  }
  return {};
}

// Every folder of the store that must have an owner, with the question whether it has.
base::Result<Retention::Folders> Retention::OwnedFolders() {
  Folders folders;
  const std::string artifacts(
      tracking::kArtifactFolder.substr(0, tracking::kArtifactFolder.size() - 1));
  for (const storage::BlobInfo& experiment : TRY(parts_.blobs.List(artifacts)))
    if (experiment.is_directory) TRY(AddArtifacts(experiment.key, folders));
  for (const storage::BlobInfo& model : TRY(parts_.blobs.List("models"))) {
    for (const storage::BlobInfo& version : TRY(parts_.blobs.List("models/" + model.key))) {
      const std::string folder = "models/" + model.key + "/" + version.key;
      folders[folder] = [this, folder, name = model.key,
                         number = version.key.substr(1)]() -> base::Result<bool> {
        const auto known = parts_.registry.GetVersion(name, std::atoll(number.c_str()));
        if (known.ok()) return known->Folder() == folder;
        if (known.status().code() == base::Code::kNotFound) return false;
        return known.status();
      };
    }
  }
  for (const storage::BlobInfo& name : TRY(parts_.blobs.List("holdouts"))) {
    for (const storage::BlobInfo& file : TRY(parts_.blobs.List("holdouts/" + name.key))) {
      folders["holdouts/" + name.key + "/" + file.key] = [this, name = name.key, sha = file.key] {
        return parts_.holdouts.Has(name, sha);
      };
    }
  }
  return folders;
}

base::Status Retention::FindOrphans(bool apply, std::vector<Candidate>& found,
                                    std::vector<Garbage>& kept) {
  std::set<std::string> orphans;
  for (const auto& [folder, owned] : TRY(OwnedFolders())) {
    if (TRY(owned())) continue;
    orphans.insert(folder);
    const base::Micros seen = TRY(FirstSeen(folder, apply));
    Garbage garbage{"files", folder, "nobody owns them", folder};
    if (seen > parts_.clock.Now() - settings_.orphan_after.micros) {
      garbage.why = "without an owner, but not for long enough yet";
      kept.push_back(std::move(garbage));
      continue;
    }
    found.push_back({std::move(garbage), [this, folder, owned]() -> base::Status {
                       if (TRY(owned()))
                         return base::FailedPrecondition("owned", "somebody owns them meanwhile");
                       return RemoveFolder(folder);
                     }});
  }
  if (!apply) return {};
  return parts_.database.Write([&](storage::Transaction& transaction) -> base::Status {
    for (const storage::Row& row : TRY(transaction.Query("SELECT folder FROM lifecycle_orphans"))) {
      if (orphans.contains(row.Text(0))) continue;
      TRY(transaction.Execute("DELETE FROM lifecycle_orphans WHERE folder = $1", {row.Text(0)}));
    }
    return {};
  });
}

base::Result<base::Micros> Retention::FirstSeen(const std::string& folder, bool apply) {
  const base::Micros now = parts_.clock.Now();
  const storage::Rows rows =
      TRY(parts_.database.Query("SELECT since FROM lifecycle_orphans WHERE folder = $1", {folder}));
  if (!rows.empty()) return rows.front().Int(0);
  if (!apply) return now;
  TRY(parts_.database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute(
        "INSERT INTO lifecycle_orphans (folder, since) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        {folder, now}));
    return {};
  }));
  return now;
}

base::Status Retention::Measure(Garbage& garbage) {
  for (const storage::BlobInfo& file : TRY(parts_.blobs.ListAll(garbage.folder))) {
    if (file.is_directory) continue;
    ++garbage.files;
    garbage.size_bytes += file.size_bytes;
  }
  if (garbage.files > 0) return {};
  const auto single = parts_.blobs.Stat(garbage.folder);  // a holdout is one file
  if (!single.ok() || single->is_directory) return {};
  garbage.files = 1;
  garbage.size_bytes = single->size_bytes;
  return {};
}

base::Status Retention::RemoveFolder(const std::string& folder) {
  const base::Status removed = parts_.blobs.Remove(folder);
  return removed.code() == base::Code::kNotFound ? base::Status() : removed;
}

base::Status Retention::Record(const GarbageReport& report, const events::Actor& actor) {
  return parts_.database.Write([&](storage::Transaction& transaction) -> base::Status {
    events::Event event;
    event.type = "retention.applied";
    event.subject = "retention";
    event.actor = actor;
    event.data = Json::MakeObject({{"totals", Totals(report.removed)},
                                   {"kept", static_cast<int64_t>(report.kept.size())},
                                   {"reason", actor.reason}});
    return parts_.events.Append(transaction, std::move(event));
  });
}

}  // namespace slipway::lifecycle
