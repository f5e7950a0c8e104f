// SPDX-License-Identifier: Apache-2.0
// The table of wrong bodies.
#include "api/oip/bad_requests_testing.h"

#include <string_view>
#include <utility>

namespace slipway::api::oip {
namespace {

std::string Inputs(std::string_view tensor) {
  return R"({"inputs":[)" + std::string(tensor) + "]}";
}

// `members` after a good name.
std::string Tensor(std::string_view members) {
  return Inputs(R"({"name":"x",)" + std::string(members) + "}");
}

std::string Data(std::string_view type, std::string_view shape, std::string_view data) {
  return Tensor(R"("datatype":")" + std::string(type) + R"(","shape":)" + std::string(shape) +
                R"(,"data":)" + std::string(data));
}

BadRequest Binary(std::string name, const std::string& json, std::string_view rest,
                  std::string field) {
  return {std::move(name), json + std::string(rest), std::move(field), json.size()};
}

const std::string& GoodInputs() {
  static const std::string inputs =
      R"("inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}])";
  return inputs;
}

std::vector<BadRequest> BadEnvelopes() {
  return {
      {"empty", "", "body", {}},
      {"spaces", "  \n ", "body", {}},
      {"garbage", "garbage", "body", {}},
      {"html", "<html>", "body", {}},
      {"cut off", R"({"inputs":[{"name":"x","datatype":"FP32","sh)", "body", {}},
      {"cut off string", R"({"id":")", "body", {}},
      {"two documents", "{} {}", "body", {}},
      {"array", "[]", "body", {}},
      {"number", "12", "body", {}},
      {"string", "\"x\"", "body", {}},
      {"null", "null", "body", {}},
      {"not UTF-8", "{\"id\":\"\xff\xfe\"}", "body", {}},
      {"zero byte", std::string("{\"inputs\":\0}", 12), "body", {}},
      {"bad number", Data("FP32", "[1]", "[1.2.3]"), "body", {}},
      {"leading zero", Data("FP32", "[1]", "[01]"), "body", {}},
      {"unknown word", Data("FP32", "[1]", "[nan]"), "body", {}},
      {"bad escape", R"({"id":"\x"})", "body", {}},
      {"half a surrogate", R"({"id":"\ud800"})", "body", {}},
      {"line end in a string", "{\"id\":\"a\nb\"}", "body", {}},
      {"plus sign", Data("FP32", "[1]", "[+1]"), "body", {}},
      {"trailing comma", Data("FP32", "[1]", "[1,]"), "body", {}},
      {"endless depth", std::string(5000, '['), "body", {}},
  };
}

std::vector<BadRequest> BadMembers() {
  const std::string& good = GoodInputs();
  return {
      {"no inputs", "{}", "inputs", {}},
      {"inputs null", R"({"inputs":null})", "inputs", {}},
      {"inputs object", R"({"inputs":{}})", "inputs", {}},
      {"inputs empty", R"({"inputs":[]})", "inputs", {}},
      {"inputs twice", "{" + good + "," + good + "}", "inputs", {}},
      {"id number", R"({"id":5,)" + good + "}", "id", {}},
      {"outputs string", R"({"outputs":"y",)" + good + "}", "outputs", {}},
      {"outputs of strings", R"({"outputs":["y"],)" + good + "}", "outputs[0]", {}},
      {"output without name", R"({"outputs":[{}],)" + good + "}", "outputs[0].name", {}},
      {"output binary_data number",
       R"({"outputs":[{"name":"y","parameters":{"binary_data":1}}],)" + good + "}",
       "outputs[0].parameters.binary_data",
       {}},
      {"classification of none",
       R"({"outputs":[{"name":"y","parameters":{"classification":0}}],)" + good + "}",
       "outputs[0].parameters.classification",
       {}},
      {"classification text",
       R"({"outputs":[{"name":"y","parameters":{"classification":"3"}}],)" + good + "}",
       "outputs[0].parameters.classification",
       {}},
      {"output in unknown memory",
       R"({"outputs":[{"name":"y","parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}}],)" +
           good + "}",
       "outputs[0].parameters.shared_memory_region",
       {}},
  };
}

std::vector<BadRequest> BadParameters() {
  const std::string& good = GoodInputs();
  return {
      {"priority negative",
       R"({"parameters":{"priority":-1},)" + good + "}",
       "parameters.priority",
       {}},
      {"sequence fraction",
       R"({"parameters":{"sequence_id":1.5},)" + good + "}",
       "parameters.sequence_id",
       {}},
      {"sequence start of none",
       R"({"parameters":{"sequence_start":true},)" + good + "}",
       "parameters.sequence_id",
       {}},
      {"sequence start number",
       R"({"parameters":{"sequence_id":1,"sequence_start":1},)" + good + "}",
       "parameters.sequence_start",
       {}},
      {"reserved parameter",
       R"({"parameters":{"triton_other":1},)" + good + "}",
       "parameters.triton_other",
       {}},
      {"parameter array", R"({"parameters":{"x":[1]},)" + good + "}", "parameters.x", {}},
      {"parameters array", R"({"parameters":[],)" + good + "}", "parameters", {}},
      {"key number",
       R"({"parameters":{"slipway-key":1},)" + good + "}",
       "parameters.slipway-key",
       {}},
      {"timeout string",
       R"({"parameters":{"timeout":"1s"},)" + good + "}",
       "parameters.timeout",
       {}},
      {"timeout negative",
       R"({"parameters":{"timeout":-1},)" + good + "}",
       "parameters.timeout",
       {}},
      {"binary_data_output string",
       R"({"parameters":{"binary_data_output":"yes"},)" + good + "}",
       "parameters.binary_data_output",
       {}},
  };
}

std::vector<BadRequest> BadTensors() {
  return {
      {"input number", Inputs("1"), "inputs[0]", {}},
      {"input null", Inputs("null"), "inputs[0]", {}},
      {"second input wrong",
       Inputs(R"({"name":"x","datatype":"FP32","shape":[1],"data":[1]},[])"),
       "inputs[1]",
       {}},
      {"no name", Inputs(R"({"datatype":"FP32","shape":[1],"data":[1]})"), "inputs[0].name", {}},
      {"empty name",
       Inputs(R"({"name":"","datatype":"FP32","shape":[1],"data":[1]})"),
       "inputs[0].name",
       {}},
      {"name number",
       Inputs(R"({"name":1,"datatype":"FP32","shape":[1],"data":[1]})"),
       "inputs[0].name",
       {}},
      {"name too long",
       Inputs(R"({"name":")" + std::string(2000, 'n') +
              R"(","datatype":"FP32","shape":[1],"data":[1]})"),
       "inputs[0].name",
       {}},
      {"no datatype", Tensor(R"("shape":[1],"data":[1])"), "inputs[0].datatype", {}},
      {"datatype number",
       Tensor(R"("datatype":32,"shape":[1],"data":[1])"),
       "inputs[0].datatype",
       {}},
      {"datatype unknown", Data("FLOAT", "[1]", "[1]"), "inputs[0].datatype", {}},
      {"datatype lower case", Data("fp32", "[1]", "[1]"), "inputs[0].datatype", {}},
      {"no shape", Tensor(R"("datatype":"FP32","data":[1])"), "inputs[0].shape", {}},
      {"shape number", Data("FP32", "1", "[1]"), "inputs[0].shape", {}},
      {"shape of strings", Data("FP32", R"(["1"])", "[1]"), "inputs[0].shape[0]", {}},
      {"shape fraction", Data("FP32", "[1,1.5]", "[1]"), "inputs[0].shape[1]", {}},
      {"shape negative", Data("FP32", "[2,-1]", "[1,2]"), "inputs[0].shape[1]", {}},
      {"shape overflows",
       Data("FP32", "[4294967296,4294967296,4294967296]", "[1]"),
       "inputs[0].shape",
       {}},
      {"shape too long",
       Data("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[1]"),
       "inputs[0].shape",
       {}},
      {"shape of a billion", Data("FP32", "[1000000000]", "[1]"), "inputs[0].data", {}},
  };
}

std::vector<BadRequest> BadData() {
  return {
      {"no data", Tensor(R"("datatype":"FP32","shape":[1])"), "inputs[0].data", {}},
      {"data number", Data("FP32", "[1]", "1"), "inputs[0].data", {}},
      {"data null", Data("FP32", "[1]", "null"), "inputs[0].data", {}},
      {"too few", Data("FP32", "[3]", "[1,2]"), "inputs[0].data", {}},
      {"too many", Data("FP32", "[1]", "[1,2]"), "inputs[0].data", {}},
      {"data for an empty shape", Data("FP32", "[0]", "[1]"), "inputs[0].data", {}},
      {"none for a scalar", Data("FP32", "[]", "[]"), "inputs[0].data", {}},
      {"array for a scalar", Data("FP32", "[]", "[[1]]"), "inputs[0].data", {}},
      {"string in numbers", Data("FP32", "[2]", R"([1,"2"])"), "inputs[0].data", {}},
      {"object in numbers", Data("FP32", "[1]", "[{}]"), "inputs[0].data", {}},
      {"true in numbers", Data("INT64", "[1]", "[true]"), "inputs[0].data", {}},
      {"too large for FP64", Data("FP64", "[1]", "[1e999]"), "inputs[0].data", {}},
      {"too large for FP32", Data("FP32", "[1]", "[1e300]"), "inputs[0].data", {}},
      {"too large for INT8", Data("INT8", "[2]", "[127,128]"), "inputs[0].data", {}},
      {"too large for INT64", Data("INT64", "[1]", "[9223372036854775808]"), "inputs[0].data", {}},
      {"negative for UINT8", Data("UINT8", "[1]", "[-1]"), "inputs[0].data", {}},
      {"fraction for INT32", Data("INT32", "[1]", "[1.5]"), "inputs[0].data", {}},
      {"null for INT32", Data("INT32", "[1]", "[null]"), "inputs[0].data", {}},
      {"number for BOOL", Data("BOOL", "[1]", "[2]"), "inputs[0].data", {}},
      {"number for BYTES", Data("BYTES", "[1]", "[1]"), "inputs[0].data", {}},
      {"halves as JSON", Data("FP16", "[1]", "[1]"), "inputs[0].data", {}},
      {"ragged", Data("FP32", "[2,2]", "[[1],[2,3,4]]"), "inputs[0].data", {}},
      {"nested too deep", Data("FP32", "[2]", "[[1],[2]]"), "inputs[0].data", {}},
      {"nested and flat", Data("FP32", "[2,1]", "[[1],2]"), "inputs[0].data", {}},
      {"parameters string",
       Tensor(R"("datatype":"FP32","shape":[1],"parameters":"p","data":[1])"),
       "inputs[0].parameters",
       {}},
      {"unknown memory",
       Tensor(
           R"("datatype":"FP32","shape":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":4})"),
       "inputs[0].parameters.shared_memory_region",
       {}},
      {"memory without size",
       Tensor(R"("datatype":"FP32","shape":[1],"parameters":{"shared_memory_region":"r"})"),
       "inputs[0].parameters.shared_memory_byte_size",
       {}},
      {"memory without region",
       Tensor(R"("datatype":"FP32","shape":[1],"parameters":{"shared_memory_byte_size":4})"),
       "inputs[0].parameters.shared_memory_region",
       {}},
  };
}

std::vector<BadRequest> BadBinaries() {
  const std::string fp32 =
      Tensor(R"("datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4})");
  const std::string bytes =
      Tensor(R"("datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":10})");
  const std::string size = "inputs[0].parameters.binary_data_size";
  return {
      {"header longer than the body", "{}", "Inference-Header-Content-Length", 100},
      Binary("no bytes", fp32, "", size),
      Binary("too few bytes", fp32, "abc", size),
      Binary("bytes left over", fp32, "abcdefgh", "body"),
      Binary("size against shape",
             Tensor(R"("datatype":"FP32","shape":[2],"parameters":{"binary_data_size":4})"), "abcd",
             size),
      Binary("size a string",
             Tensor(R"("datatype":"FP32","shape":[1],"parameters":{"binary_data_size":"4"})"),
             "abcd", size),
      Binary("size negative",
             Tensor(R"("datatype":"FP32","shape":[1],"parameters":{"binary_data_size":-4})"),
             "abcd", size),
      Binary(
          "size of 2^63",
          Tensor(
              R"("datatype":"FP32","shape":[1],"parameters":{"binary_data_size":9223372036854775808})"),
          "abcd", size),
      Binary(
          "data and size",
          Tensor(R"("datatype":"FP32","shape":[1],"data":[1],"parameters":{"binary_data_size":4})"),
          "abcd", "inputs[0]"),
      Binary("BYTES cut off", bytes, std::string_view("\1\0\0\0a\xff\0\0\0b", 10), size),
      Binary("BYTES left over", bytes, std::string_view("\0\0\0\0\0\0\0\0zz", 10), size),
      Binary(
          "BYTES of a billion",
          Tensor(R"("datatype":"BYTES","shape":[1000000000],"parameters":{"binary_data_size":4})"),
          "abcd", size),
      Binary("JSON cut within", "{\"inputs\":[", "]}", "body"),
  };
}

}  // namespace

std::vector<BadRequest> BadRequests() {
  std::vector<BadRequest> all = BadEnvelopes();
  for (std::vector<BadRequest> more :
       {BadMembers(), BadParameters(), BadTensors(), BadData(), BadBinaries()}) {
    for (BadRequest& one : more) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace slipway::api::oip
