// SPDX-License-Identifier: Apache-2.0
#include "registry/pickle_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace slipway::registry {
namespace {

using Imports = std::set<std::string>;
std::string Bytes(std::string_view text) { return std::string(text); }

TEST(PickleScan, FindsWhatEachProtocolsOpcodesImport) {
  // pickle.dumps of an object whose __reduce__ gives (os.system, ("id",))
  EXPECT_EQ(ScanPickle("cposix\nsystem\np0\n(Vid\np1\ntp2\nRp3\n.").imports,
            (Imports{"posix.system"}));
  EXPECT_EQ(ScanPickle(Bytes("\x80\x02"
                             "cposix\nsystem\nq\x01."))
                .imports,
            (Imports{"posix.system"}));
  EXPECT_EQ(ScanPickle(std::string_view("\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", 22))
                .imports,
            (Imports{"posix.system"}));
  EXPECT_EQ(ScanPickle("(S'id'\nios\nsystem\n.").imports, (Imports{"os.system"}));
}

TEST(PickleScan, FollowsTheMemo) {
  // the module and the name come back out of the memo
  const PickleScan scan = ScanPickle(
      std::string_view("\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x30\x30h\x00h\x01\x93.", 27));
  EXPECT_EQ(scan.imports, (Imports{"posix.system"}));
  EXPECT_EQ(scan.unreadable, "");
}

TEST(PickleScan, SaysWhenItCannotTell) {
  EXPECT_NE(ScanPickle("\x80\x04NN\x93.").unreadable.find("cannot be told"), std::string::npos);
  EXPECT_NE(ScanPickle("\x80\x02\x82\x01.").unreadable.find("registry"), std::string::npos);
  EXPECT_NE(ScanPickle("\x80\x04\x8c\x09po").unreadable.find("ends before"), std::string::npos);
  EXPECT_NE(ScanPickle("\x80\x04\xff.").unreadable.find("no such opcode"), std::string::npos);
  EXPECT_NE(ScanPickle("").unreadable, "");
}

TEST(PickleScan, ReadsOnBehindTheFirstPickle) {
  EXPECT_EQ(ScanPickle("N.cos\nsystem\n.").imports, (Imports{"os.system"}));
}

TEST(PickleScan, KnowsDataFromCode) {
  for (const char* safe : {"numpy.ndarray", "numpy._core.multiarray._reconstruct", "builtins.dict",
                           "sklearn.linear_model._logistic.LogisticRegression",
                           "torch._utils._rebuild_tensor_v2", "collections.OrderedDict"})
    EXPECT_FALSE(IsUnsafeImport(safe, {})) << safe;
  for (const char* unsafe : {"posix.system", "builtins.eval", "builtins.getattr", "numpyx.y",
                             "numpy.testing._private."
                             "utils.runstring",
                             "functools.partial", "cloudpickle.cloudpickle._make_function"})
    EXPECT_TRUE(IsUnsafeImport(unsafe, {})) << unsafe;
  EXPECT_FALSE(IsUnsafeImport("mine.Model", {"mine"}));
  EXPECT_FALSE(IsUnsafeImport("builtins.getattr", {"builtins.getattr"}));
  EXPECT_TRUE(IsUnsafeImport("minecraft.Model", {"mine"}));
}

TEST(PickleScan, LooksIntoArchivesAndArraysOfObjects) {
  const std::string name = "a/data.pkl", pickle = "cos\nsystem\n.";
  const auto two = [](size_t n) {
    return std::string{static_cast<char>(n & 0xff), static_cast<char>(n >> 8)};
  };
  const std::string local = std::string("PK\x03\x04", 4) + std::string(22, '\0') +
                            two(name.size()) + two(0) + name + pickle;
  const std::string directory = std::string("PK\x01\x02", 4) + std::string(16, '\0') +
                                two(pickle.size()) + two(0) + two(pickle.size()) + two(0) +
                                two(name.size()) + std::string(16, '\0') + name;
  EXPECT_EQ(ScanFile(local + directory).imports, (Imports{"os.system"}));
  EXPECT_NE(ScanFile("\x93NUMPY\x01 {'descr': '|O', }").unreadable, "");
  EXPECT_EQ(ScanFile("\x93NUMPY\x01 {'descr': '<f4', }").unreadable, "");
  EXPECT_TRUE(MayHoldPickles("model/model.pkl", ""));
  EXPECT_TRUE(MayHoldPickles("weights", "\x80\x04"));
  EXPECT_FALSE(MayHoldPickles("model.onnx", "\x08\x07"));
}

}  // namespace
}  // namespace slipway::registry
