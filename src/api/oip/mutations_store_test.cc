// SPDX-License-Identifier: Apache-2.0
// Whatever is sent, the fault is the caller's: good requests changed at random are answered or
// refused, never with a server's error.
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <random>

#include "api/oip/grpc_messages.h"
#include "api/oip/infer.h"
#include "api/oip/inference.pb.h"
#include "api/oip/server_testing.h"

namespace slipway::api::oip {
namespace {

constexpr int kRounds = 400;  // of each good body

// Cuts, doubles, swaps and overwrites pieces of a body.
class Mutator {
 public:
  std::string Change(std::string text) {
    const int changes = static_cast<int>(Below(4)) + 1;
    for (int i = 0; i < changes && !text.empty(); ++i) ChangeOnce(text);
    return text;
  }
  size_t Below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
  void ChangeOnce(std::string& text) {
    static const std::vector<std::string> kPieces = {
        "null",  "-1",  "1e999", "[]",  "{}",  "\"\"", "true", "[[",
        "]]",    ",",   ":",     "NaN", "\\u", "\xff", "0",    "99999999999999999999",
        "\"x\"", "1.5", "}"};
    const size_t at = Below(text.size());
    const size_t length = Below(std::min<size_t>(24, text.size() - at) + 1);
    switch (Below(5)) {
      case 0:
        text.erase(at, length);
        return;
      case 1:
        text.insert(at, text.substr(Below(text.size()), length));
        return;
      case 2:
        text[at] = static_cast<char>(Below(256));
        return;
      case 3:
        text.replace(at, length, kPieces[Below(kPieces.size())]);
        return;
      default:
        text.resize(at);
    }
  }
  std::mt19937_64 random_{20240229};
};

TEST(OipMutations, OfRestBodiesAreAnsweredOrRefused) {
  OipServer server;
  Mutator mutator;
  const std::pair<std::string, std::string> good[] = {
      {"/v2/models/m/infer",
       R"({"id":"a","parameters":{"priority":1,"sequence_id":7,"sequence_start":true,"timeout":9000000,"k":0.5},)"
       R"("inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","parameters":{"p":1},"data":[[1.5],[-2e3]]}],)"
       R"("outputs":[{"name":"y","parameters":{"classification":1,"binary_data":false}}]})"},
      {"/v2/models/echo/infer",
       R"({"inputs":[{"name":"f","datatype":"FP32","shape":[1,2],"data":[1,2]},)"
       R"({"name":"s","datatype":"BYTES","shape":[2],"data":["a","\u00fc"]},)"
       R"({"name":"h","datatype":"FP16","shape":[0],"data":[]},)"
       R"({"name":"b","datatype":"BOOL","shape":[1],"data":[true]},)"
       R"({"name":"l","datatype":"INT64","shape":[1],"data":[-9223372036854775808]}]})"},
      {"/v2/models/talk/generate",
       R"({"text_input":["a"],"parameters":{"a":1,"b":"c","sequence_id":"s"},"more":true})"},
      {"/v2/models/many/generate_stream", R"({"x":[1],"id":"i","parameters":{"n":2}})"},
      {"/v2/systemsharedmemory/region/r/register", R"({"key":"/none","offset":0,"byte_size":64})"},
  };
  for (const auto& [path, body] : good) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string changed = mutator.Change(body);
      const auto response = server.Send("POST", path, changed);
      EXPECT_LT(response.status, 500) << path << " " << changed << "\n" << response.body;
    }
  }
}

TEST(OipMutations, OfBinaryBodiesAreAnsweredOrRefused) {
  OipServer server;
  Mutator mutator;
  const std::string json =
      R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"x","datatype":"FP32",)"
      R"("shape":[2,1],"parameters":{"binary_data_size":8}}]})";
  const std::string body = json + std::string("\0\0\x80\x3f\0\0\xc0\x7f", 8);
  for (int i = 0; i < kRounds; ++i) {
    const std::string changed = mutator.Change(body);
    const size_t length = i % 2 == 0 ? json.size() : mutator.Below(changed.size() + 4);
    const auto response =
        server.Send("POST", "/v2/models/m/infer", changed,
                    {{"Inference-Header-Content-Length", std::to_string(length)}});
    EXPECT_LT(response.status, 500) << length << " " << changed << "\n" << response.body;
  }
}

TEST(OipMutations, OfMessagesAreReadOrRefused) {
  ::inference::ModelInferRequest good;
  good.set_model_name("m");
  (*good.mutable_parameters())["sequence_id"].set_uint64_param(~0ULL);
  (*good.mutable_parameters())["priority"].set_int64_param(1);
  auto& input = *good.add_inputs();
  input.set_name("x");
  input.set_datatype("FP32");
  input.add_shape(2);
  input.add_shape(1);
  good.add_raw_input_contents(std::string(8, 'x'));
  (*good.add_outputs()->mutable_parameters())["classification"].set_int64_param(2);
  good.mutable_outputs(0)->set_name("y");
  const SharedRegions regions("on");
  const google::protobuf::LogSilencer quiet;  // of texts that are no UTF-8
  Mutator mutator;
  int read = 0;
  for (int i = 0; i < 20 * kRounds; ++i) {
    ::inference::ModelInferRequest message;
    if (!message.ParseFromString(mutator.Change(good.SerializeAsString()))) continue;
    const auto call = DecodeMessage(message, {regions, "127.0.0.1"});
    read += call.ok() ? 1 : 0;
    if (call.ok()) continue;
    const base::Code code = call.status().code();
    EXPECT_TRUE(code == base::Code::kInvalidArgument || code == base::Code::kNotFound)
        << call.status().ToString();
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace slipway::api::oip
