// SPDX-License-Identifier: Apache-2.0
// The documents' table.
#include "api/sagemaker/documents.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"

namespace slipway::api::sagemaker {
namespace {

base::Result<Document> FromRow(const storage::Row& row) {
  return Document{row.Text(0), row.Text(1), row.Int(2),
                  row.Int(3),  row.Int(4),  TRY(base::Json::Parse(row.Text(5)))};
}

storage::SqlParams ParamsOf(const Document& document) {
  return {document.kind,    document.name,    document.number,
          document.created, document.updated, document.body.Dump()};
}

}  // namespace

base::Result<std::optional<Document>> Documents::Find(const std::string& kind,
                                                      const std::string& name, int64_t number) {
  const storage::Rows rows = TRY(database_.Query(
      "SELECT kind, name, number, created, updated, body FROM sagemaker_documents WHERE kind = $1 "
      "AND name = $2 AND number = $3",
      {kind, name, number}));
  if (rows.empty()) return std::optional<Document>();
  return std::optional(TRY(FromRow(rows.front())));
}

base::Result<std::vector<Document>> Documents::List(const std::string& kind,
                                                    const std::string& name) {
  const storage::Rows rows = TRY(database_.Query(
      "SELECT kind, name, number, created, updated, body FROM sagemaker_documents WHERE kind = $1 "
      "AND ($2 = '' OR name = $3) ORDER BY name, number",
      {kind, name, name}));
  std::vector<Document> documents;
  documents.reserve(rows.size());
  for (const storage::Row& row : rows) documents.push_back(TRY(FromRow(row)));
  return documents;
}

base::Status Documents::Put(const Document& document) {
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute(
        "INSERT INTO sagemaker_documents (kind, name, number, created, updated, body) VALUES ($1, "
        "$2, $3, $4, $5, $6) ON CONFLICT (kind, name, number) DO UPDATE SET updated = "
        "excluded.updated, created = excluded.created, body = excluded.body",
        ParamsOf(document)));
    return {};
  });
}

base::Status Documents::Add(const Document& document) {
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const int64_t added = TRY(transaction.Execute(
        "INSERT INTO sagemaker_documents (kind, name, number, created, updated, body) VALUES ($1, "
        "$2, $3, $4, $5, $6) ON CONFLICT (kind, name, number) DO NOTHING",
        ParamsOf(document)));
    if (added == 1) return {};
    return base::AlreadyExists("document_exists",
                               document.kind + " '" + document.name + "' already exists");
  });
}

base::Status Documents::Remove(const std::string& kind, const std::string& name) {
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute("DELETE FROM sagemaker_documents WHERE kind = $1 AND name = $2",
                            {kind, name}));
    return {};
  });
}

}  // namespace slipway::api::sagemaker
