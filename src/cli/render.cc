// SPDX-License-Identifier: Apache-2.0
// The last step of a CLI call: the answer as people read it.
#include "cli/render.h"

#include <algorithm>
#include <cstdio>

namespace slipway::cli {
namespace {

constexpr size_t kWidestCell = 60;

size_t DisplayWidth(std::string_view text) {
  // Bytes that do not continue a UTF-8 sequence: good enough for the names that stand in tables.
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string NumberText(const base::Json& value) {
  if (value.is_int()) return std::to_string(value.AsInt());
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value.AsDouble());
  return buffer;
}

}  // namespace

std::string Cell(const base::Json& row, std::string_view dotted) {
  const base::Json* at = &row;
  while (at != nullptr && !dotted.empty()) {
    const size_t dot = dotted.find('.');
    at = at->Find(dotted.substr(0, dot));
    dotted = dot == std::string_view::npos ? std::string_view{} : dotted.substr(dot + 1);
  }
  if (at == nullptr || at->is_null()) return "-";
  if (at->is_string()) return at->AsString();
  if (at->is_number()) return NumberText(*at);
  return at->Dump();
}

std::string Table(std::span<const Column> columns, const base::Json::Array& rows) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Column& column : columns) cells[0].emplace_back(column.title);
  for (const base::Json& row : rows) {
    std::vector<std::string>& line = cells.emplace_back();
    for (const Column& column : columns) line.push_back(Cell(row, column.member));
  }
  std::vector<size_t> widths(columns.size(), 0);
  for (const auto& line : cells) {
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::min(kWidestCell, std::max(widths[i], DisplayWidth(line[i])));
    }
  }
  std::string out;
  for (const auto& line : cells) {
    for (size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      const bool last = i + 1 == line.size();
      const size_t width = DisplayWidth(line[i]);
      if (!last) out.append(width < widths[i] ? widths[i] - width + 2 : 2, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace slipway::cli
