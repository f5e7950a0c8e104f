// SPDX-License-Identifier: Apache-2.0
// What REST callers ask besides plain predictions, over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "api/oip/server_testing.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

namespace slipway::api::oip {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kOneRow =
    R"({"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1.5]}]})";

base::Json Parse(const std::string& text) {
  auto json = base::Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : base::Json();
}

// The text of an error, which must be a status of its own.
std::string ErrorOf(const net::HttpResponse& response, int status) {
  EXPECT_EQ(response.status, status) << response.body;
  const base::Json json = Parse(response.body);
  const base::Json* error = json.Find("error");
  return error != nullptr && error->is_string() ? error->AsString() : "no error: " + response.body;
}

TEST(OipControl, CountsWhatModelsDid) {
  OipServer server;
  server.times->statistics.last_run_ms = 5;
  server.times->statistics.inference_count = 11;
  server.times->statistics.execution_count = 3;
  server.times->statistics.success = {7, 900};
  server.times->statistics.batches = {{4, {1, 2}, {3, 40}, {5, 6}}};
  const auto one = server.Send("GET", "/v2/models/m/stats");
  ASSERT_EQ(one.status, 200);
  EXPECT_EQ(
      one.body,
      R"({"model_stats":[{"name":"m","version":"3","last_inference":5,"inference_count":11,"execution_count":3,)"
      R"("inference_stats":{"success":{"count":7,"ns":900},"fail":{"count":0,"ns":0},"queue":{"count":0,"ns":0},)"
      R"("compute_input":{"count":0,"ns":0},"compute_infer":{"count":0,"ns":0},"compute_output":{"count":0,"ns":0},)"
      R"("cache_hit":{"count":0,"ns":0},"cache_miss":{"count":0,"ns":0}},"response_stats":{},)"
      R"("batch_stats":[{"batch_size":4,"compute_input":{"count":1,"ns":2},"compute_infer":{"count":3,"ns":40},)"
      R"("compute_output":{"count":5,"ns":6}}],"memory_usage":[]}]})");
  EXPECT_EQ(server.Send("GET", "/v2/models/m/versions/3/stats").body, one.body);
  EXPECT_EQ(
      Parse(server.Send("GET", "/v2/models/stats").body).Find("model_stats")->AsArray().size(), 4);
  EXPECT_THAT(ErrorOf(server.Send("GET", "/v2/models/z/stats"), 404), HasSubstr("'z'"));
  EXPECT_THAT(ErrorOf(server.Send("GET", "/v2/models/m/versions/9/stats"), 404), HasSubstr("9"));
}

TEST(OipControl, SwitchesTheLogsLevel) {
  OipServer server;
  const base::LogLevel before = base::LeastLogLevel();
  base::SetLeastLogLevel(base::LogLevel::kInfo);
  EXPECT_EQ(
      server.Send("GET", "/v2/logging").body,
      R"({"log_file":"","log_info":true,"log_warnings":true,"log_errors":true,"log_verbose_level":0,"log_format":"ISO8601"})");
  EXPECT_EQ(server.Send("POST", "/v2/logging", R"({"log_verbose_level":1})").status, 200);
  EXPECT_EQ(base::LeastLogLevel(), base::LogLevel::kDebug);
  EXPECT_EQ(server
                .Send("POST", "/v2/logging",
                      R"({"log_verbose_level":0,"log_info":false,"log_warnings":false})")
                .status,
            200);
  EXPECT_EQ(base::LeastLogLevel(), base::LogLevel::kError);
  const std::pair<const char*, const char*> table[] = {
      {R"({"log_info":1})", "log_info: "},
      {R"({"log_info":true,"log_warnings":false})", "log_warnings: "},
      {R"({"log_errors":false})", "log_errors: "},
      {R"({"log_verbose_level":-1})", "log_verbose_level: "},
      {R"({"log_verbose_level":1})", "log_info: "},
      {R"({"log_file":"/etc/passwd"})", "log_file: "},
      {R"({"log_format":"default"})", "log_format: "},
      {R"({"log_colour":"red"})", "log_colour: "},
      {"[]", "body: "},
      {"{", "body: "},
  };
  for (const auto& [body, field] : table) {
    EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/logging", body), 400), StartsWith(field)) << body;
    EXPECT_EQ(base::LeastLogLevel(), base::LogLevel::kError) << body;
  }
  base::SetLeastLogLevel(before);
}

TEST(OipControl, WritesATraceOfEverySecondRequestUntilItHasEnough) {
  std::string file;
  {
    OipServer server;
    const auto set = server.Send(
        "POST", "/v2/models/m/trace/setting",
        R"({"trace_level":["TIMESTAMPS"],"trace_rate":"2","trace_count":"2","trace_file":"t.json"})");
    ASSERT_EQ(set.status, 200) << set.body;
    EXPECT_EQ(
        set.body,
        R"({"trace_level":["TIMESTAMPS"],"trace_rate":"2","trace_count":"2","log_frequency":"0","trace_file":"t.json","trace_mode":"triton"})");
    EXPECT_THAT(server.Send("GET", "/v2/trace/setting").body, HasSubstr(R"(["OFF"])"));
    for (int i = 0; i < 8; ++i)
      ASSERT_EQ(server.Send("POST", "/v2/models/m/infer", kOneRow).status, 200);
    EXPECT_THAT(server.Send("GET", "/v2/models/m/trace/setting").body,
                HasSubstr(R"("trace_count":"0")"));
    const auto written = [&] {
      const auto text = base::ReadFile(server.traces / "t.json", 1 << 20);
      return text.ok() && Parse(*text).AsArray().size() == 4;
    };
    for (int i = 0; i < 2000 && !written(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    file = base::ReadFile(server.traces / "t.json", 1 << 20).value();
  }
  const base::Json traces = Parse(file);
  ASSERT_EQ(traces.AsArray().size(), 4);
  const base::Json& who = traces.AsArray()[0];
  EXPECT_EQ(who.Find("model_name")->AsString(), "m");
  EXPECT_EQ(who.Find("model_version")->AsInt(), 3);
  EXPECT_EQ(who.Find("request_id")->AsString(), "a");
  int64_t last = 0;
  std::vector<std::string> names;
  for (const base::Json& one : traces.AsArray()[1].Find("timestamps")->AsArray()) {
    names.push_back(one.Find("name")->AsString());
    EXPECT_GE(one.Find("ns")->AsInt(), last);
    last = one.Find("ns")->AsInt();
  }
  EXPECT_THAT(names, ::testing::ElementsAre("REQUEST_START", "QUEUE_START", "COMPUTE_START",
                                            "COMPUTE_END", "REQUEST_END"));
}

TEST(OipControl, RefusesTraceSettingsThatWouldDoNothing) {
  OipServer server;
  const std::pair<const char*, const char*> table[] = {
      {R"({"trace_level":["TENSORS"]})", "trace_level: "},
      {R"({"trace_level":["TIMESTAMPS","TENSORS"]})", "trace_level: "},
      {R"({"trace_rate":"0"})", "trace_rate: "},
      {R"({"trace_rate":"fast"})", "trace_rate: "},
      {R"({"trace_count":"-2"})", "trace_count: "},
      {R"({"log_frequency":-1})", "log_frequency: "},
      {R"({"trace_file":"../x"})", "trace_file: "},
      {R"({"trace_file":"/tmp/x"})", "trace_file: "},
      {R"({"trace_file":".x"})", "trace_file: "},
      {R"({"trace_mode":"opentelemetry"})", "trace_mode: "},
      {R"({"trace_colour":"red"})", "trace_colour: "},
      {"[1]", "body: "},
  };
  for (const auto& [body, field] : table)
    EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/trace/setting", body), 400), StartsWith(field));
  ErrorOf(server.Send("GET", "/v2/models/z/trace/setting"), 404);
  EXPECT_EQ(server.Send("POST", "/v2/trace/setting", R"({"trace_rate":"5"})").status, 200);
  EXPECT_EQ(server.Send("POST", "/v2/models/m/trace/setting", R"({"trace_rate":"9"})").status, 200);
  EXPECT_THAT(server.Send("POST", "/v2/models/m/trace/setting", R"({"trace_rate":null})").body,
              HasSubstr(R"("trace_rate":"5")"));
  EXPECT_THAT(server.Send("POST", "/v2/trace/setting", R"({"trace_rate":null})").body,
              HasSubstr(R"("trace_rate":"1000")"));
}

TEST(OipControl, TellsOfSharedMemoryAndRefusesWhatIsNotThere) {
  OipServer server;
  EXPECT_EQ(server.Send("GET", "/v2/systemsharedmemory/status").body, "[]");
  EXPECT_EQ(server.Send("GET", "/v2/cudasharedmemory/status").body, "[]");
  EXPECT_THAT(ErrorOf(server.Send("GET", "/v2/systemsharedmemory/region/r/status"), 404),
              HasSubstr("'r'"));
  const std::string path = "/v2/systemsharedmemory/region/r/register";
  EXPECT_THAT(ErrorOf(server.Send("POST", path, "{}"), 400), StartsWith("key: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", path, R"({"key":"/../x","byte_size":1})"), 400),
              StartsWith("key: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", path, R"({"key":"/none-of-that","byte_size":1})"), 404),
              StartsWith("key: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", path, R"({"key":"/x","byte_size":"1"})"), 400),
              StartsWith("byte_size: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", path, R"({"key":"/x","offset":-1,"byte_size":1})"), 400),
              StartsWith("offset: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/cudasharedmemory/region/r/register", "{}"), 400),
              HasSubstr("no GPU"));
  EXPECT_EQ(server.Send("POST", "/v2/systemsharedmemory/unregister").status, 200);
}

TEST(OipGenerate, TakesInputsByNameAndAnswersOutputsByName) {
  OipServer server;
  const auto talk =
      server.Send("POST", "/v2/models/talk/generate",
                  R"({"text_input":"grün","id":"7","parameters":{"top":1},"deep":true})");
  ASSERT_EQ(talk.status, 200) << talk.body;
  EXPECT_EQ(Parse(talk.body).Find("text_output")->AsString(), "grün");
  EXPECT_EQ(Parse(talk.body).Find("model_version")->AsString(), "1");
  const auto number = server.Send("POST", "/v2/models/m/versions/3/generate", R"({"x":2})");
  ASSERT_EQ(number.status, 200) << number.body;
  EXPECT_EQ(Parse(number.body).Find("y")->AsInt(), 4);
  EXPECT_EQ(server.serving.recorder.Records()[0].request_id, "7");
  const std::pair<const char*, const char*> table[] = {
      {"{}", "text_input: "},
      {R"({"text_input":[]})", "text_input: "},
      {R"({"text_input":{}})", "text_input: "},
      {R"({"text_input":"a","parameters":1})", "parameters: "},
      {R"({"text_input":"a","x":[1]})", "parameters.x: "},
      {R"({"text_input":"a","id":1})", "id: "},
      {"[]", "body: "},
      {"", "body: "},
  };
  for (const auto& [body, field] : table) {
    EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/models/talk/generate", body), 400),
                StartsWith(field))
        << body;
  }
  ErrorOf(server.Send("POST", "/v2/models/z/generate", "{}"), 404);
}

TEST(OipGenerate, StreamsEveryAnswer) {
  OipServer server;
  const auto stream = server.Send("POST", "/v2/models/many/generate_stream", R"({"x":5})");
  ASSERT_EQ(stream.status, 200) << stream.body;
  size_t events = 0;
  for (size_t at = stream.body.find("data: "); at != std::string::npos;
       at = stream.body.find("data: ", at + 1)) {
    ++events;
  }
  EXPECT_EQ(events, 3);
  EXPECT_THAT(stream.body, HasSubstr(R"("y":5})"));
  EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/models/many/generate", R"({"x":5})"), 400),
              HasSubstr("generate_stream"));
  EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/models/many/generate_stream", R"({})"), 400),
              StartsWith("x: "));
  EXPECT_THAT(ErrorOf(server.Send("POST", "/v2/models/many/infer", kOneRow), 400),
              HasSubstr("decoupled"));
}

}  // namespace
}  // namespace slipway::api::oip
