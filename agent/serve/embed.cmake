# cmake -DOUTPUT=FILE -DNAMES=a;b -DDIR=DIR -P embed.cmake: DIR/a.desc and so on as C arrays ps_descriptor_a.
set(text "/* Made from the .proto files. */\n#include <stdint.h>\n")
foreach(name ${NAMES})
  file(READ ${DIR}/${name}.desc hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "static const uint8_t ps_descriptor_${name}[] = {${bytes}};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
