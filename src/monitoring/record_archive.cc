// SPDX-License-Identifier: Apache-2.0
// After a prediction's walk: what was logged long enough ago is kept as tables, which every tool
// reads; and is found there as if it still stood in the log.
#include "monitoring/record_archive.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/ids.h"
#include "base/json.h"

namespace slipway::monitoring {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostNoteBytes = 16LL * 1024 * 1024;
constexpr size_t kMostOpenTables = 64;
constexpr size_t kPieceBytes = 256 * 1024;
constexpr size_t kLogIdLength = 8;
constexpr size_t kDateLength = 10;  // of RFC 3339
constexpr std::string_view kNoteSuffix = ".json";

// A folder's name for any endpoint's.
std::string FolderName(std::string_view endpoint) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string name;
  for (const char c : endpoint) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !name.empty());
    if (plain) {
      name += c;
    } else {
      name += '%';
      name += kHex[static_cast<uint8_t>(c) >> 4];
      name += kHex[static_cast<uint8_t>(c) & 15];
    }
  }
  return name.empty() ? "%" : name;
}

std::string DateOf(base::Micros time) { return base::FormatTime(time).substr(0, kDateLength); }

base::Json ToJson(const ArchivedFile& file) {
  return base::Json::MakeObject({{"key", file.key},
                                 {"endpoint", file.endpoint},
                                 {"rows", file.rows},
                                 {"size_bytes", file.size_bytes},
                                 {"earliest", file.earliest},
                                 {"latest", file.latest}});
}

base::Result<std::vector<ArchivedFile>> ReadNote(const std::string& path) {
  const base::Json note = TRY(base::Json::Parse(TRY(base::ReadFile(path, kMostNoteBytes))));
  const base::Json* list = note.Find("files");
  if (list == nullptr || !list->is_array())
    return base::Status(base::Code::kDataLoss, "bad_note", path + " has no list of files");
  std::vector<ArchivedFile> files;
  for (const base::Json& file : list->AsArray()) {
    files.push_back(
        {0, TRY(base::RequireString(file, "key")), TRY(base::RequireString(file, "endpoint")),
         TRY(base::RequireInt(file, "rows")), TRY(base::RequireInt(file, "size_bytes")),
         TRY(base::RequireInt(file, "earliest")), TRY(base::RequireInt(file, "latest"))});
  }
  return files;
}

// Every record of the file is one of the segment, byte for byte, and none is missing.
base::Status Verify(const std::string& path, int64_t count,
                    const std::map<int64_t, const StoredRecord*>& originals) {
  const auto table = TRY(RecordTable::Open(path));
  std::vector<StoredRecord> read;
  TRY(table->Read(0, std::numeric_limits<int64_t>::max(), read));
  bool same = static_cast<int64_t>(read.size()) == count;
  for (const StoredRecord& record : read) {
    const auto original = originals.find(record.position.offset);
    same = same && original != originals.end() && original->second->bytes == record.bytes;
  }
  if (same) return base::Status::Ok();
  return {base::Code::kDataLoss, "archive_differs",
          path + " does not hold what the log holds: the log is kept"};
}

struct Group {
  std::string folder;
  std::string endpoint;
  std::vector<RecordTableWriter> tables;
};

// By endpoint and day; a record whose columns do not fit goes to a further table.
base::Result<std::vector<Group>> SplitByDay(const std::vector<StoredRecord>& records) {
  std::map<std::string, Group> groups;
  PredictionView view;
  for (const StoredRecord& record : records) {
    TRY(ReadPrediction(record.bytes, view));
    const std::string folder = FolderName(view.endpoint) + "/" + DateOf(view.time);
    Group& group = groups[folder];
    group.folder = folder;
    group.endpoint = view.endpoint;
    const bool added = std::any_of(group.tables.begin(), group.tables.end(),
                                   [&](RecordTableWriter& table) { return table.Add(record); });
    if (!added) CHECK(group.tables.emplace_back().Add(record), "an empty table takes any record");
  }
  std::vector<Group> split;
  split.reserve(groups.size());
  for (auto& [folder, group] : groups) split.push_back(std::move(group));
  return split;
}

}  // namespace

base::Result<std::unique_ptr<RecordArchive>> RecordArchive::Open(storage::Blobs& blobs,
                                                                 const std::string& folder) {
  TRY(base::CreateDirectories(folder));
  std::unique_ptr<RecordArchive> archive(new RecordArchive(blobs, folder));
  std::error_code ignored;
  fs::remove_all(folder + "/copies", ignored);
  TRY(base::CreateDirectories(folder + "/copies"));
  // Several servers may share a bucket: each log's files have names of their own.
  const std::string id_path = folder + "/log_id";
  auto id = base::ReadFile(id_path, kMostNoteBytes);
  if (!id.ok()) {
    if (id.status().code() != base::Code::kNotFound) return id.status();
    id = base::RandomHex32().substr(0, kLogIdLength);
    TRY(base::WriteFileAtomically(id_path, *id));
  }
  archive->log_id_ = *id;
  TRY(archive->LoadNotes());
  return archive;
}

base::Status RecordArchive::LoadNotes() {
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(kNoteSuffix)) continue;
    const int64_t segment = std::atoll(name.c_str());
    if (segment < 1) continue;
    notes_[segment] = TRY(ReadNote(at->path().string()));
    for (ArchivedFile& file : notes_[segment]) file.segment = segment;
  }
  if (error) return base::FromErrno(error.value(), "list " + folder_);
  return base::Status::Ok();
}

base::Status RecordArchive::WriteNote(int64_t segment,
                                      const std::vector<ArchivedFile>& files) const {
  base::Json list = base::Json::MakeArray();
  for (const ArchivedFile& file : files) list.Append(ToJson(file));
  return base::WriteFileAtomically(
      folder_ + "/" + std::to_string(segment) + std::string(kNoteSuffix),
      base::Json::MakeObject({{"segment", segment}, {"files", std::move(list)}}).Dump(2));
}

base::Result<ArchivedFile> RecordArchive::Publish(const RecordTableWriter& table,
                                                  const std::string& work,
                                                  const std::string& key) const {
  // What a crash left under this key was never noted, so nobody reads it.
  if (const base::Status removed = blobs_.Remove(key);
      !removed.ok() && removed.code() != base::Code::kNotFound)
    return removed;
  auto writer = TRY(blobs_.Create(key));
  std::ifstream file(work, std::ios::binary);
  std::string piece(kPieceBytes, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0)
    TRY(writer->Append(std::span(piece.data(), static_cast<size_t>(file.gcount()))));
  if (file.bad()) return base::Internal("read_failed", "cannot read " + work);
  const storage::BlobDigest digest = TRY(writer->Publish());
  return ArchivedFile{
      0, key, "", table.rows(), digest.size_bytes, table.earliest(), table.latest()};
}

base::Status RecordArchive::Add(int64_t segment, const std::vector<StoredRecord>& records) {
  std::map<int64_t, const StoredRecord*> originals;
  for (const StoredRecord& record : records) originals[record.position.offset] = &record;
  const std::string work = folder_ + "/work.parquet";
  std::vector<ArchivedFile> files;
  for (Group& group : TRY(SplitByDay(records))) {
    for (size_t i = 0; i < group.tables.size(); ++i) {
      TRY(group.tables[i].Write(work));
      TRY(Verify(work, group.tables[i].records(), originals));
      const std::string key = group.folder + "/" + log_id_ + "-" + std::to_string(segment) + "-" +
                              std::to_string(i) + ".parquet";
      files.push_back(TRY(Publish(group.tables[i], work, key)));
      files.back().endpoint = group.endpoint;
      files.back().segment = segment;
    }
  }
  std::error_code ignored;
  fs::remove(work, ignored);
  TRY(WriteNote(segment, files));
  const std::lock_guard lock(mutex_);
  notes_[segment] = std::move(files);
  return base::Status::Ok();
}

bool RecordArchive::Has(int64_t segment) const {
  const std::lock_guard lock(mutex_);
  return notes_.contains(segment);
}

int64_t RecordArchive::NewestSegment() const {
  const std::lock_guard lock(mutex_);
  return notes_.empty() ? 0 : notes_.rbegin()->first;
}

std::string RecordArchive::LocalFolder() const {
  const std::string uri = blobs_.UriOf("x");
  const std::string folder =
      uri.starts_with('/') ? uri.substr(0, uri.size() - 2) : folder_ + "/copies";
  return fs::absolute(folder).lexically_normal().string();
}

base::Result<std::string> RecordArchive::LocalPath(const std::string& key) const {
  const std::string uri = blobs_.UriOf(key);
  if (uri.starts_with('/')) return uri;
  std::string name = key;
  std::replace(name.begin(), name.end(), '/', '%');
  const std::string path = folder_ + "/copies/" + name;
  if (fs::exists(path)) return path;
  const std::string half = path + ".half-" + base::RandomHex32();
  auto reader = TRY(blobs_.Open(key));
  std::ofstream file(half, std::ios::binary);
  std::string piece(kPieceBytes, '\0');
  while (const size_t size = TRY(reader->Read(piece)))
    file.write(piece.data(), static_cast<std::streamsize>(size));
  file.close();
  std::error_code error;
  if (file) fs::rename(half, path, error);
  if (!file || error) {
    fs::remove(half, error);
    return base::ResourceExhausted("disk_full", "cannot copy " + uri + " to " + path);
  }
  return path;
}

base::Result<std::shared_ptr<RecordTable>> RecordArchive::TableOf(const std::string& key) const {
  {
    const std::lock_guard lock(mutex_);
    for (auto at = open_.begin(); at != open_.end(); ++at) {
      if (at->first != key) continue;
      open_.splice(open_.begin(), open_, at);
      return open_.front().second;
    }
  }
  std::shared_ptr<RecordTable> table = TRY(RecordTable::Open(TRY(LocalPath(key))));
  const std::lock_guard lock(mutex_);
  open_.emplace_front(key, table);
  if (open_.size() > kMostOpenTables) open_.pop_back();
  return table;
}

base::Status RecordArchive::Scan(
    int64_t segment, int64_t begin, int64_t end,
    const std::function<bool(storage::RecordPosition, std::string_view)>& visit,
    bool& ended) const {
  std::vector<ArchivedFile> files;
  {
    const std::lock_guard lock(mutex_);
    const auto found = notes_.find(segment);
    if (found == notes_.end()) return base::Status::Ok();
    files = found->second;
  }
  std::vector<StoredRecord> records;
  for (const ArchivedFile& file : files) {
    TRY(TRY(TableOf(file.key))->Read(begin, end, records));
  }
  std::sort(records.begin(), records.end(),
            [](const StoredRecord& a, const StoredRecord& b) { return a.position < b.position; });
  for (const StoredRecord& record : records) {
    if (visit(record.position, record.bytes)) continue;
    ended = true;
    break;
  }
  return base::Status::Ok();
}

std::vector<ArchivedFile> RecordArchive::Files() const {
  const std::lock_guard lock(mutex_);
  std::vector<ArchivedFile> all;
  for (const auto& [segment, files] : notes_) all.insert(all.end(), files.begin(), files.end());
  return all;
}

base::Status RecordArchive::Remove(const std::vector<ArchivedFile>& gone) {
  Notes notes;
  {
    const std::lock_guard lock(mutex_);
    notes = notes_;
  }
  for (auto& [segment, files] : notes) {
    const size_t before = files.size();
    std::erase_if(files, [&](const ArchivedFile& file) {
      return std::any_of(gone.begin(), gone.end(),
                         [&](const ArchivedFile& other) { return other.key == file.key; });
    });
    if (files.size() != before) TRY(WriteNote(segment, files));
  }
  {
    const std::lock_guard lock(mutex_);
    notes_ = std::move(notes);
    open_.remove_if([&](const auto& open) {
      return std::any_of(gone.begin(), gone.end(),
                         [&](const ArchivedFile& file) { return file.key == open.first; });
    });
  }
  for (const ArchivedFile& file : gone) {
    const base::Status removed = blobs_.Remove(file.key);
    if (!removed.ok() && removed.code() != base::Code::kNotFound) return removed;
  }
  return base::Status::Ok();
}

}  // namespace slipway::monitoring
