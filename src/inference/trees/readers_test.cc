// SPDX-License-Identifier: Apache-2.0
// Files of the three formats, whole, damaged and hostile. What the libraries themselves answer is
// held against ours in tests/clients/test_trees.py.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/tensor.h"
#include "inference/trees/document.h"
#include "inference/trees/model.h"
#include "inference/trees/session.h"

namespace slipway::inference::trees {
namespace {

// One tree of two leaves: x[1] < 0.5 (missing: left) -> -1, else 2; base score 0.5.
std::string XgboostJson(const std::string& objective = "reg:squarederror") {
  return R"({"learner":{"attributes":{},"feature_names":["age","fare"],"gradient_booster":{"model":{
    "gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"iteration_indptr":[0,1],"tree_info":[0],
    "trees":[{"base_weights":[0,-1E0,2E0],"default_left":[1,0,0],"id":0,"left_children":[1,-1,-1],
    "parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[5E-1,-1E0,2E0],
    "split_indices":[1,0,0],"split_type":[0,0,0],
    "tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"3","size_leaf_vector":"1"}}]},"name":"gbtree"},
    "learner_model_param":{"base_score":"[5E-1]","num_class":"0","num_feature":"2","num_target":"1"},
    "objective":{"name":")" +
         objective + R"("}},"version":[3,2,0]})";
}

constexpr std::string_view kLightgbm =
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n"
    "objective=binary sigmoid:1\nfeature_names=age fare\nfeature_infos=[0:1] "
    "[0:1]\ntree_sizes=300\n\n"
    "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=1 0\nsplit_gain=1 1\nthreshold=0.25 "
    "0\ndecision_type=10 1\n"
    "left_child=1 -1\nright_child=-3 -2\nleaf_value=0.5 -0.5 1.5\nleaf_weight=1 1 1\nleaf_count=1 "
    "1 1\n"
    "cat_boundaries=0 1\ncat_threshold=6\nis_linear=0\nshrinkage=1\n\n\nend of "
    "trees\n\nparameters:\nend of parameters\n";

template <typename T>
std::vector<double> Answer(const std::string& bytes, const std::vector<T>& rows,
                           const std::string& output = "") {
  auto model = ReadModel(bytes, {output});
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  if (!model.ok()) return {};
  const auto session = MakeSession(std::move(*model), BestSimd());
  Request request;
  request.inputs.push_back(
      {"input", Tensor::Of<T>({static_cast<int64_t>(rows.size() / 2), 2}, rows), nullptr});
  const auto response = session->Run(request);
  EXPECT_TRUE(response.ok()) << response.status().ToString();
  std::vector<double> numbers;
  if (!response.ok()) return numbers;
  EXPECT_EQ(response->outputs[0].name, "predictions");
  const Tensor& tensor = response->outputs[0].tensor;
  for (int64_t i = 0; i < tensor.element_count(); ++i) numbers.push_back(tensor.NumberAt(i));
  return numbers;
}

const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Xgboost, JsonSplitsBelowTheThresholdAndSendsMissingValuesTheirWay) {
  const std::vector<float> rows = {9, 0.4F, 9, 0.5F, 9, kNan, kNan, 7};
  EXPECT_EQ(Answer(XgboostJson(), rows), (std::vector<double>{-0.5, 2.5, -0.5, 2.5}));
  // FP64 becomes FP32 first, as in a DMatrix: this one rounds to the threshold.
  EXPECT_EQ(Answer(XgboostJson(), std::vector<double>{9, 0.5 - 1e-12}), std::vector<double>{2.5});
}

TEST(Xgboost, ColumnsHaveTheModelsNames) {
  const auto model = ReadModel(XgboostJson(), {});
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->ensemble.names, (std::vector<std::string>{"age", "fare"}));
  EXPECT_EQ(MakeSession(*model, BestSimd())->description().inputs[0].columns,
            model->ensemble.names);
}

TEST(Xgboost, TheObjectiveDecidesWhatIsAnswered) {
  const std::vector<float> rows = {9, 0.4F, 9, 0.6F};
  EXPECT_EQ(Answer(XgboostJson("binary:hinge"), rows), (std::vector<double>{0, 1}));
  EXPECT_EQ(Answer(XgboostJson("binary:logistic"), rows, "margin"), (std::vector<double>{-1, 2}));
  EXPECT_EQ(Answer(XgboostJson("binary:logistic"), rows, "label"), (std::vector<double>{0, 1}));
  EXPECT_EQ(ReadModel(XgboostJson("reg:unheard"), {}).status().message(),
            "objective \"reg:unheard\" is not supported");
  EXPECT_EQ(ReadModel(XgboostJson(), {"label"}).status().field(), "parameters.output");
}

void AppendUbjson(std::string& out, const Value& value) {
  const auto length = [&out](size_t size) {
    out += 'L';
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  };
  if (const auto* numbers = value.numbers()) {
    out += "[$d#";
    length(numbers->size());
    for (const double number : *numbers) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(number));
      for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xff);
    }
  } else if (const auto* text = value.text()) {
    out += 'S';
    length(text->size());
    out += *text;
  } else if (const auto* array = value.array()) {
    out += '[';
    for (const Value& item : *array) AppendUbjson(out, item);
    out += ']';
  } else if (const auto* object = value.object()) {
    out += '{';
    for (const auto& [key, member] : *object) {
      length(key.size());
      out += key;
      AppendUbjson(out, member);
    }
    out += '}';
  } else if (const auto* number = value.number()) {
    out += 'D';
    const auto bits = std::bit_cast<uint64_t>(*number);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xff);
  } else {
    out += 'Z';
  }
}

std::string XgboostUbjson() {
  std::string bytes;
  AppendUbjson(bytes, ParseJsonDocument(XgboostJson()).value());
  return bytes;
}

TEST(Xgboost, UbjsonSaysTheSame) {
  EXPECT_EQ(Answer(XgboostUbjson(), std::vector<float>{9, 0.4F, 9, 0.5F}),
            (std::vector<double>{-0.5, 2.5}));
}

TEST(Lightgbm, TextWithMissingValuesAndCategories) {
  // fare <= 0.25 (NaN: left) -> age in {1, 2} -> 0.5 else -0.5; else 1.5. Then the sigmoid.
  const auto sigmoid = [](double sum) { return 1.0 / (1.0 + std::exp(-sum)); };
  const std::vector<double> rows = {1, 0.25, 2.9, kNan, 3, -1, -1, 0, kNan, 0, 1, 0.26};
  const std::vector<double> wanted = {sigmoid(0.5),  sigmoid(0.5),  sigmoid(-0.5),
                                      sigmoid(-0.5), sigmoid(-0.5), sigmoid(1.5)};
  EXPECT_EQ(Answer(std::string(kLightgbm), rows), wanted);
  EXPECT_EQ(Answer(std::string(kLightgbm), std::vector<float>(rows.begin(), rows.end())), wanted);
  EXPECT_EQ(Answer(std::string(kLightgbm), std::vector<double>{1, 1}, "margin"),
            std::vector<double>{1.5});
}

TEST(Lightgbm, LinearTreesAreRefused) {
  std::string text(kLightgbm);
  text.replace(text.find("is_linear=0"), 11, "is_linear=1");
  EXPECT_EQ(ReadModel(text, {}).status().message(), "Tree=0: linear trees are not supported");
}

TEST(ReadModel, ForeignFilesAreRefusedByName) {
  EXPECT_EQ(ReadModel("", {}).status().message(), "the file is empty");
  EXPECT_NE(ReadModel("binf....", {}).status().message().find("old binary format"),
            std::string::npos);
  for (const char* bytes : {"{", "{\"learner\": 3}", "tree\n", "hello", "{L", "\x08\x07"}) {
    const base::Status status = ReadModel(bytes, {}).status();
    EXPECT_EQ(status.code(), base::Code::kInvalidArgument) << bytes;
    EXPECT_EQ(status.field(), "model") << bytes;
  }
}

TEST(Document, HasLimitsAndPlaces) {
  EXPECT_EQ(ParseJsonDocument(std::string(100, '[')).status().message(),
            "byte 65 of its JSON: nested too deep");
  EXPECT_EQ(ParseJsonDocument("[1, 2").status().message(), "byte 5 of its JSON: expected , or ]");
  EXPECT_EQ(ParseUbjsonDocument(std::string("[$d#L\xff\0\0\0\0\0\0\0", 13)).status().message(),
            "byte 13 of its UBJSON: a length is larger than the file");
  EXPECT_EQ((*ParseJsonDocument("[1E-45, -0, NaN, 16777217]").value().numbers())[0],
            static_cast<double>(std::numeric_limits<float>::denorm_min()));
}

// Whatever is done to a file, it is refused or answers; it never crashes. The sanitizer builds see
// more here.
void Mutate(const std::string& good, uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = good;
    for (uint64_t change = random() % 3 + 1; change > 0; --change) {
      const size_t at = random() % bytes.size();
      switch (random() % 5) {
        case 0:
          bytes.resize(std::max<size_t>(at, 1));
          break;
        case 1:
          bytes[at] = static_cast<char>(random());
          break;
        case 2:
          bytes[at] = static_cast<char>('0' + random() % 10);
          break;
        case 3:
          bytes.erase(at, 1 + random() % 4);
          if (bytes.empty()) bytes = "{";
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 20));
          break;
      }
    }
    auto model = ReadModel(bytes, {});
    if (!model.ok()) {
      EXPECT_FALSE(model.status().message().empty());
      continue;
    }
    if (model->ensemble.features > 1000) continue;
    const auto session = MakeSession(std::move(*model), BestSimd());
    const TensorSpec& input = session->description().inputs[0];
    Request request;
    request.inputs.push_back({input.name, Tensor(input.type, {9, input.shape[1]}), nullptr});
    EXPECT_TRUE(session->Run(request).ok());
  }
}

TEST(ReadModel, DamagedFilesAreRefusedOrAnswer) {
  Mutate(XgboostJson(), 1);
  Mutate(XgboostUbjson(), 2);
  Mutate(std::string(kLightgbm), 3);
}

}  // namespace
}  // namespace slipway::inference::trees
