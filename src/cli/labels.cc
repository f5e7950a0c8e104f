// SPDX-License-Identifier: Apache-2.0
// `slipway labels post`: a CSV file to POST /api/v1/labels, a thousand rows a call.
#include <cstdio>
#include <sstream>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/command.h"

namespace slipway::cli {
namespace {

constexpr int64_t kMostFileBytes = 1LL << 30;
constexpr size_t kRowsPerCall = 1000;

std::vector<std::string> SplitLine(std::string_view line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == ',') {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

base::Json CellValue(const std::string& column, const std::string& cell) {
  if (column != "value" && column != "row") return cell;
  const auto parsed = base::Json::Parse(cell);
  return parsed.ok() && parsed->is_number() ? *parsed : base::Json(cell);
}

base::Result<base::Json::Array> ReadLabels(const std::string& path) {
  const std::string text = TRY(base::ReadFile(path, kMostFileBytes));
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line))
    return base::InvalidArgument("file", path + " is empty; expected a header line");
  const std::vector<std::string> header = SplitLine(line);
  base::Json::Array labels;
  for (size_t number = 2; std::getline(lines, line); ++number) {
    if (line.empty()) continue;
    const std::vector<std::string> cells = SplitLine(line);
    if (cells.size() != header.size()) {
      return base::InvalidArgument("file", path + ":" + std::to_string(number) + ": expected " +
                                               std::to_string(header.size()) + " cells, got " +
                                               std::to_string(cells.size()));
    }
    base::Json label = base::Json::MakeObject();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (!cells[i].empty()) label.Set(header[i], CellValue(header[i], cells[i]));
    }
    labels.push_back(std::move(label));
  }
  return labels;
}

base::Status Post(const LabelsArguments& arguments) {
  const base::Json::Array labels = TRY(ReadLabels(arguments.path));
  int64_t accepted = 0;
  int64_t unmatched = 0;
  for (size_t begin = 0; begin < labels.size(); begin += kRowsPerCall) {
    const size_t end = std::min(labels.size(), begin + kRowsPerCall);
    base::Json body = base::Json::MakeObject({{"endpoint", arguments.endpoint}});
    body.Set("labels", base::Json::Array(labels.begin() + static_cast<std::ptrdiff_t>(begin),
                                         labels.begin() + static_cast<std::ptrdiff_t>(end)));
    const Answer answer = TRY(Call(arguments.server, "POST", "/api/v1/labels", body.Dump()));
    if (answer.status != 200) return base::InvalidArgument("file", ErrorText(answer));
    accepted += TRY(base::RequireInt(answer.body, "accepted"));
    unmatched += TRY(base::RequireInt(answer.body, "unmatched"));
  }
  std::printf("%lld labels accepted, %lld of no known prediction yet\n",
              static_cast<long long>(accepted), static_cast<long long>(unmatched));
  return base::Status::Ok();
}

}  // namespace

int PostLabels(const LabelsArguments& arguments) {
  const base::Status status = Post(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "slipway: %s\n", status.message().c_str());
  return 1;
}

}  // namespace slipway::cli
