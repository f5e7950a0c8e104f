// SPDX-License-Identifier: Apache-2.0
// A version's walk, at the door: what a pickle would import, without running it.
#include "registry/pickle_scan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace slipway::registry {
namespace {

constexpr size_t kMostImports = 10'000;

enum class Form : uint8_t { kUnknown, kNone, kBytes, kCounted, kLine, kTwoLines };
struct Opcode {
  Form form = Form::kUnknown;
  uint8_t width = 0;  // of the argument (kBytes) or of its length (kCounted)
  bool text = false;  // the argument is a text that is pushed
};

constexpr std::array<Opcode, 256> Opcodes() {
  std::array<Opcode, 256> table{};
  for (const char c : std::string_view("(.012NQRabdelostu)}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91"
                                       "\x92\x93\x94\x97\x98"))
    table[static_cast<uint8_t>(c)] = {Form::kNone, 0, false};
  for (const char c : std::string_view("FILPVgpS"))
    table[static_cast<uint8_t>(c)] = {Form::kLine, 0, c == 'V' || c == 'S'};
  for (const char c : std::string_view("ci"))
    table[static_cast<uint8_t>(c)] = {Form::kTwoLines, 0, false};
  for (const auto& [code, width] : std::initializer_list<std::pair<uint8_t, uint8_t>>{{'J', 4},
                                                                                      {'K', 1},
                                                                                      {'M', 2},
                                                                                      {'G', 8},
                                                                                      {'h', 1},
                                                                                      {'j', 4},
                                                                                      {'q', 1},
                                                                                      {'r', 4},
                                                                                      {0x80, 1},
                                                                                      {0x82, 1},
                                                                                      {0x83, 2},
                                                                                      {0x84, 4},
                                                                                      {0x95, 8}})
    table[code] = {Form::kBytes, width, false};
  for (const auto& [code, width] : std::initializer_list<std::pair<uint8_t, uint8_t>>{
           {'T', 4}, {'U', 1}, {'X', 4}, {0x8c, 1}, {0x8d, 8}})
    table[code] = {Form::kCounted, width, true};
  for (const auto& [code, width] : std::initializer_list<std::pair<uint8_t, uint8_t>>{
           {'B', 4}, {'C', 1}, {0x8a, 1}, {0x8b, 4}, {0x8e, 8}, {0x96, 8}})
    table[code] = {Form::kCounted, width, false};
  return table;
}
constexpr std::array<Opcode, 256> kOpcodes = Opcodes();

uint64_t Little(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  PickleScan Scan() {
    while (at_ < bytes_.size() && scan_.unreadable.empty()) Step();
    if (scan_.unreadable.empty() && !stopped_) scan_.unreadable = "it ends before its end";
    return std::move(scan_);
  }

 private:
  using Text = std::optional<std::string>;

  void Fail(const std::string& why) {
    if (scan_.unreadable.empty()) scan_.unreadable = why + " at byte " + std::to_string(at_);
  }
  std::string_view Take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      Fail("it ends before its end");
      return {};
    }
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  std::string_view TakeLine() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) {
      Fail("a line has no end");
      return {};
    }
    const std::string_view line = Take(end - at_);
    ++at_;
    return line;
  }
  void Push(Text text) {
    below_ = std::move(top_);
    top_ = std::move(text);
  }
  void Import(std::string_view module, std::string_view name) {
    if (scan_.imports.size() >= kMostImports) return Fail("too many imports");
    scan_.imports.insert(std::string(module) + "." + std::string(name));
  }

  void Step() {
    const auto code = static_cast<uint8_t>(bytes_[at_++]);
    const Opcode& opcode = kOpcodes[code];
    stopped_ = code == '.';
    if (stopped_) memo_.clear();
    std::string_view argument;
    std::string_view second;
    switch (opcode.form) {
      case Form::kUnknown:
        return Fail("there is no such opcode");
      case Form::kNone:
        break;
      case Form::kBytes:
        argument = Take(opcode.width);
        break;
      case Form::kCounted:
        argument = Take(Little(Take(opcode.width)));
        break;
      case Form::kTwoLines:
        argument = TakeLine();
        second = TakeLine();
        break;
      case Form::kLine:
        argument = TakeLine();
        break;
    }
    if (scan_.unreadable.empty()) Act(code, opcode, argument, second);
  }

  void Act(uint8_t code, const Opcode& opcode, std::string_view argument, std::string_view second) {
    if (opcode.text) return Push(code == 'S' ? Unquoted(argument) : std::string(argument));
    switch (code) {
      case 'c':
      case 'i':
        Import(argument, second);
        return Push({});
      case 0x93:  // STACK_GLOBAL
        if (!top_ || !below_) return Fail("it imports what cannot be told");
        Import(*below_, *top_);
        return Push({});
      case 0x82:
      case 0x83:
      case 0x84:
        return Fail("it imports by a number of copyreg's registry");
      default:
        return ActOnMemo(code, argument);
    }
  }

  void ActOnMemo(uint8_t code, std::string_view argument) {
    switch (code) {
      case 0x94:  // MEMOIZE
        memo_[memo_.size()] = top_;
        return;
      case 'p':
        return Remember(Number(argument));
      case 'q':
      case 'r':
        return Remember(Little(argument));
      case 'g':
        return Recall(Number(argument));
      case 'h':
      case 'j':
        return Recall(Little(argument));
      case 0x80:  // PROTO
      case 0x95:  // FRAME
        return;
      default:  // whatever it does to the stack, what lies on top is no text that we know
        top_.reset();
        below_.reset();
    }
  }

  static Text Unquoted(std::string_view quoted) {
    if (quoted.size() < 2) return {};
    return std::string(quoted.substr(1, quoted.size() - 2));
  }
  static uint64_t Number(std::string_view text) {
    uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc() ? number : UINT64_MAX;
  }
  void Remember(uint64_t place) { memo_[place] = top_; }
  void Recall(uint64_t place) {
    const auto found = memo_.find(place);
    Push(found == memo_.end() ? Text() : found->second);
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  bool stopped_ = false;
  Text top_, below_;
  std::map<uint64_t, Text> memo_;
  PickleScan scan_;
};

// Modules whose objects only hold data, of the libraries that models are made with.
constexpr std::array<std::string_view, 22> kSafe = {"numpy",
                                                    "scipy",
                                                    "sklearn",
                                                    "pandas",
                                                    "xgboost",
                                                    "lightgbm",
                                                    "catboost",
                                                    "collections.OrderedDict",
                                                    "datetime",
                                                    "decimal.Decimal",
                                                    "collections.defaultdict",
                                                    "collections.deque",
                                                    "copyreg._reconstructor",
                                                    "_codecs.encode",
                                                    "torch._utils._rebuild",
                                                    "torch.FloatStorage",
                                                    "torch.DoubleStorage",
                                                    "torch.LongStorage",
                                                    "torch.nn.modules",
                                                    "torch.nn.parameter.Parameter",
                                                    "torch.IntStorage",
                                                    "uuid.UUID"};
// Parts of those that run code or open files.
constexpr std::array<std::string_view, 13> kUnsafe = {"numpy.testing",
                                                      "numpy.f2py",
                                                      "numpy.distutils",
                                                      "numpy.load",
                                                      "numpy.lib",
                                                      "numpy.ctypeslib",
                                                      "pandas.io",
                                                      "pandas.core.computation",
                                                      "pandas.eval",
                                                      "pandas.read_",
                                                      "scipy.io",
                                                      "sklearn.datasets",
                                                      "torch.storage._load_from_bytes"};
constexpr std::array<std::string_view, 17> kSafeBuiltins = {
    "bool",      "bytearray", "bytes", "complex",  "dict",          "float",
    "frozenset", "int",       "list",  "object",   "range",         "set",
    "slice",     "str",       "tuple", "Ellipsis", "NotImplemented"};

// "numpy" is a prefix of "numpy.ndarray" and not of "numpyx.y"; "torch._utils._rebuild" of
// "torch._utils._rebuild_tensor_v2".
bool Within(std::string_view import, std::string_view prefix) {
  if (!import.starts_with(prefix)) return false;
  return import.size() == prefix.size() || import[prefix.size()] == '.' || prefix.ends_with('_') ||
         (prefix.ends_with("_rebuild") && import[prefix.size()] == '_');
}

constexpr size_t kEntrySize = 46, kLocalSize = 30;

// The pickles of an archive, found by its directory's entries.
PickleScan ScanZip(std::string_view bytes) {
  PickleScan all;
  const std::string_view mark("PK\x01\x02", 4);
  for (size_t at = bytes.find(mark); at != std::string_view::npos; at = bytes.find(mark, at + 4)) {
    const std::string_view entry = bytes.substr(at, kEntrySize);
    if (entry.size() < kEntrySize) break;
    const uint64_t name_size = Little(entry.substr(28, 2));
    const std::string_view name = bytes.substr(at + kEntrySize, name_size);
    if (!name.ends_with(".pkl") && !name.ends_with(".pickle")) continue;
    const uint64_t method = Little(entry.substr(10, 2)), size = Little(entry.substr(20, 4));
    const uint64_t local = Little(entry.substr(42, 4));
    const auto unreadable = [&](const std::string& why) {
      all.unreadable = "'" + std::string(name) + "' in the archive " + why;
    };
    if (method != 0 || size == UINT32_MAX || local == UINT32_MAX ||
        local + kLocalSize > bytes.size()) {
      unreadable("is compressed");
      continue;
    }
    const uint64_t start = local + kLocalSize + Little(bytes.substr(local + 26, 2)) +
                           Little(bytes.substr(local + 28, 2));
    if (start > bytes.size() || size > bytes.size() - start) {
      unreadable("is not all there");
      continue;
    }
    PickleScan one = ScanPickle(bytes.substr(start, size));
    all.imports.merge(one.imports);
    if (!one.unreadable.empty()) unreadable("cannot be read: " + one.unreadable);
  }
  return all;
}

}  // namespace

PickleScan ScanPickle(std::string_view bytes) { return Reader(bytes).Scan(); }

bool MayHoldPickles(std::string_view path, std::string_view first_bytes) {
  for (const std::string_view ending :
       {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle", ".npy"}) {
    if (path.ends_with(ending)) return true;
  }
  const bool protocol = first_bytes.size() >= 2 && first_bytes[0] == '\x80' &&
                        first_bytes[1] >= 2 && first_bytes[1] <= 5;
  return protocol || first_bytes.starts_with("PK\x03\x04");
}

PickleScan ScanFile(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04")) return ScanZip(bytes);
  if (bytes.starts_with("\x93NUMPY")) {
    const bool objects = bytes.substr(0, 4096).find("'|O") != std::string_view::npos;
    return {{}, objects ? "it is an array of Python objects" : ""};
  }
  return ScanPickle(bytes);
}

bool IsUnsafeImport(std::string_view import, const std::vector<std::string>& allowed) {
  const auto within = [&](std::string_view prefix) { return Within(import, prefix); };
  if (std::ranges::any_of(allowed, within)) return false;
  for (const std::string_view module : {"builtins.", "__builtin__."}) {
    if (import.starts_with(module))
      return std::ranges::find(kSafeBuiltins, import.substr(module.size())) == kSafeBuiltins.end();
  }
  if (std::ranges::any_of(kUnsafe, within)) return true;
  return std::ranges::none_of(kSafe, within);
}

}  // namespace slipway::registry
