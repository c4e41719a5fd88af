# Writes the bytes of INPUT to OUTPUT, as the C array NAME that HEADER declares,
# with a NUL behind them, and its length, NAME_len.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
  "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

const char ${NAME}[] = {
${bytes}0};
const size_t ${NAME}_len = sizeof(${NAME}) - 1;
")
