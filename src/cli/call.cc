// SPDX-License-Identifier: Apache-2.0
// From what was typed to one HTTP call of the native API.
#include <charconv>

#include "base/files.h"
#include "cli/command.h"
#include "net/http_client.h"

namespace slipway::cli {
namespace {

constexpr int64_t kMostFileBytes = 1LL << 30;

base::Result<base::Json> BodyValue(const Argument& argument, const std::string& text) {
  if (argument.kind == Kind::kFlag) return base::Json(text == "true");
  if (argument.kind == Kind::kText) return base::Json(text);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return base::InvalidArgument(std::string(argument.name),
                                 "expected a whole number, got '" + text + "'");
  }
  return base::Json(number);
}

void Replace(std::string& target, std::string_view name, const std::string& value) {
  const std::string mark = "{" + std::string(name) + "}";
  const size_t at = target.find(mark);
  CHECK(at != std::string::npos, "a path argument must stand in the command's path");
  target.replace(at, mark.size(), net::PercentEncode(value));
}

}  // namespace

base::Result<Prepared> Prepare(const Command& command,
                               const std::map<std::string, std::string>& typed) {
  Prepared prepared{std::string(command.path), ""};
  base::Json body = base::Json::MakeObject();
  char separator = '?';
  for (const Argument& argument : command.arguments) {
    const auto found = typed.find(std::string(argument.name));
    if (found == typed.end() || found->second.empty()) continue;
    const base::Json value = TRY(BodyValue(argument, found->second));
    switch (argument.place) {
      case Place::kPath:
        Replace(prepared.target, argument.name, found->second);
        break;
      case Place::kQuery:
        prepared.target +=
            separator + std::string(argument.name) + "=" + net::PercentEncode(found->second);
        separator = '&';
        break;
      case Place::kBody:
        body.Set(argument.name, value);
        break;
      case Place::kFile:
        prepared.body = TRY(base::ReadFile(found->second, kMostFileBytes));
        prepared.target += separator + std::string("file=") + net::PercentEncode(found->second);
        separator = '&';
        if (prepared.body.empty())
          return base::InvalidArgument(std::string(argument.name), found->second + " is empty");
        break;
    }
  }
  const bool has_body = command.method == "POST" || command.method == "PUT";
  if (has_body && prepared.body.empty()) prepared.body = body.Dump();
  return prepared;
}

base::Result<Answer> Call(std::string_view server, std::string_view method, std::string_view target,
                          std::string body) {
  net::HttpClientSettings settings;
  settings.allow = {"*"};  // the person at the terminal chose the server
  settings.timeout = {10 * base::kMinute};
  settings.max_response_bytes = 1LL << 30;
  net::HttpCall call;
  call.method = std::string(method);
  call.url = std::string(server) + std::string(target);
  if (!body.empty()) call.headers.push_back({"Content-Type", "application/json"});
  call.headers.push_back(
      {"X-Slipway-Actor", std::getenv("USER") == nullptr ? "cli" : std::getenv("USER")});
  call.body = std::move(body);
  auto response = net::HttpClient(settings).Send(call);
  if (!response.ok()) {
    return base::Unavailable("server_unreachable",
                             "no answer from " + std::string(server) + ": " +
                                 response.status().message() +
                                 " (is `slipway serve` running? --server URL or SLIPWAY_SERVER)");
  }
  Answer answer{response->status, {}, response->body};
  auto parsed = base::Json::Parse(response->body);
  if (parsed.ok()) answer.body = std::move(parsed).TakeValue();
  return answer;
}

std::string ErrorText(const Answer& answer) {
  const base::Json* error = answer.body.Find("error");
  if (error == nullptr || !error->is_object())
    return "HTTP " + std::to_string(answer.status) + ": " + answer.text;
  auto text = [error](std::string_view key) {
    const base::Json* value = error->Find(key);
    return value != nullptr && value->is_string() ? value->AsString() : std::string();
  };
  std::string line = text("message");
  if (!text("field").empty()) line = text("field") + ": " + line;
  return line + " (" + text("reason") + ")";
}

}  // namespace slipway::cli
