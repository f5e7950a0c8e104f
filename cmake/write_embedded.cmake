# SPDX-License-Identifier: Apache-2.0
# Run at build time: writes OUTPUT, a .cc that takes every file below FOLDER into the binary with the assembler's .incbin.
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(FILTER files EXCLUDE REGEX "__pycache__")
if(NOT files)
  message(FATAL_ERROR "nothing to embed for ${NAME}: ${FOLDER} is empty")
endif()
list(SORT files)
set(assembly "")
set(symbols "")
set(table "")
set(index 0)
foreach(file IN LISTS files)
  set(symbol slipway_embedded_${NAME}_${index})
  string(APPEND assembly "    \".global ${symbol}\\n${symbol}: .incbin \\\"${FOLDER}/${file}\\\"\\n\"\n"
         "    \".global ${symbol}_end\\n${symbol}_end: .byte 0\\n\"\n")
  string(APPEND symbols "extern \"C\" const char ${symbol}[];\nextern \"C\" const char ${symbol}_end[];\n")
  string(APPEND table "    {\"${file}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT} "// SPDX-License-Identifier: Apache-2.0
#include \"embedded/${NAME}.h\"

#include <cstddef>

__asm__(
    \".section .rodata\\n\"
${assembly}    \".previous\\n\");

${symbols}
namespace slipway::embedded {

std::span<const File> ${FUNCTION}() {
  static const File kFiles[] = {
${table}  };
  return kFiles;
}

}  // namespace slipway::embedded
")
