// SPDX-License-Identifier: Apache-2.0
// Commands: `slipway <noun> <verb>` as a table; each row is one call of the native API and how its
// answer is shown.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace slipway::cli {

enum class Place { kPath, kQuery, kBody, kFile };  // kFile: of the file that is the whole body
enum class Kind { kText, kInteger, kFlag };

struct Argument {
  std::string_view
      name;  // "model", "reason": the {model} of the path, the query key or the body member
  Place place = Place::kQuery;
  Kind kind = Kind::kText;
  bool required = false;  // required ones are positional, the others --name
  std::string_view help;
};

struct Column {
  std::string_view title;
  std::string_view member;  // dotted: "actor.name"
};

struct Command {
  std::string_view noun;
  std::string_view verb;  // empty: the noun alone ("rollback"); "policy apply": a word below a word
  std::string_view help;
  std::string_view method;
  std::string_view path;
  std::vector<Argument> arguments;
  std::string_view list;        // member that holds the rows; empty: the answer is one object
  std::vector<Column> columns;  // empty: shown as JSON
  // What was begun goes on: the same path is asked until its "state" is no longer "running".
  bool follows = false;
};

std::span<const Command> Commands();

struct Answer {
  int status = 0;
  base::Json body;   // null when the body is not JSON
  std::string text;  // the body as it came
};

// The target and body of a call from what was typed (name -> text; a flag is "true"); files are
// read.
struct Prepared {
  std::string target;
  std::string body;
};
base::Result<Prepared> Prepare(const Command& command,
                               const std::map<std::string, std::string>& typed);

// One call to the server; kUnavailable with a hint when nothing answers there.
base::Result<Answer> Call(std::string_view server, std::string_view method, std::string_view target,
                          std::string body);
// The error of an answer that is not 2xx, in one line, with the verdicts of a refused promotion
// below it.
std::string ErrorText(const Answer& answer);

}  // namespace slipway::cli
