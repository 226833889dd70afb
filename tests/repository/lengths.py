"""How long a file and a function may be, outside tests and benchmarks.

No compiler is at hand, so functions are found by their braces: comments, literals and preprocessor lines are blanked, and what
stands before an opening brace says what the brace opens. A lambda, or a class, inside a function is part of the function.
"""
import re

from .tree import CODE, sources

FILE_MAX = 450
FUNCTION_MAX = 70  # from the first line of the signature to the closing brace

SKIPPED = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<number>\b\d(?:'?[\w.])*)
      | \b(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"
      | "(?:\\.|[^"\\\n])*"
      | '(?:\\.|[^'\\\n])+'""", re.S | re.X)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
LABELS = re.compile(r"\s*(?:(?:public|private|protected)\s*:(?!:)\s*)*")

TYPE = re.compile(r"^(?:requires\b.*?\s)?(?:(?:typedef|static|inline|const|constexpr)\s+)*"
                  r"(class|struct|union|enum)\b(?:\s+[\w:]+)*\s*(?::(?!:).*)?$", re.S)
LAMBDA = re.compile(r"(?:^|[^\w\s\]])\s*\[[^\[\]]*\]\s*@?(?:\s*(?:mutable|constexpr|noexcept|@))*\s*(?:→.*)?$", re.S)
FUNCTION = re.compile(r"^[^@]*?(?P<name>[~\w:]*)\s*@(?P<after>.*)$", re.S)
AFTER = re.compile(r"^(?:\s*(?:const|volatile|override|final|mutable|noexcept|try|&&?))*\s*(?:→[\w:\s*&]+?)?(?:\s*requires\b.*)?\s*$", re.S)


def blank(text):
    def spaces(m):
        found = m.group()
        if m.lastgroup == "number":
            return found
        hidden = re.sub(r"[^\n]", " ", found)
        return hidden if m.lastgroup == "comment" or len(found) < 2 else f'"{hidden[1:-1]}"'
    text = SKIPPED.sub(spaces, text)
    return DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def repeated(pattern, by, text):
    count = 1
    while count:
        text, count = re.subn(pattern, by, text)
    return text


def opens(head):
    """What the brace after `head` opens: (`scope`, ""), (`function`, its name), or (`other`, "")."""
    head = LABELS.sub("", head, count=1)
    head = re.sub(r"\[\[.*?\]\]", "", head, flags=re.S).replace("->", "→")
    head = re.sub(r"\boperator\s*(?:\(\s*\)|\[\s*\]|[^\w\s(]+)", "operator_", head)
    head = repeated(r"\([^()]*\)", "@", head)  # from here on, @ is anything in parentheses
    head = repeated(r"<[^<>]*>", "", head)
    head = re.sub(r"\btemplate\b", "", re.sub(r"\b(alignas|decltype|noexcept|explicit)\s*@", r"\1", head)).strip()
    if LAMBDA.search(head):
        return "function", "a lambda"
    if "(" in head or "=" in head or re.search(r"\brequires\s*@?$", head):
        return "other", ""
    if re.search(r"\bnamespace\b", head) or re.match(r'extern\s*"\s*"$', head):
        return "scope", ""
    kind = TYPE.match(head.replace("alignas", ""))
    if kind:
        return ("other" if kind.group(1) == "enum" else "scope"), ""
    function = FUNCTION.match(re.sub(r"\brequires\s*@", "requires", head))
    if not function:
        return "other", ""
    after, *initialisers = re.split(r"(?<!:):(?!:)", function.group("after"), maxsplit=1)
    if not AFTER.match(after) or (initialisers and not re.search(r"(@|\{\}|\.\.\.)\s*$", initialisers[0])):
        return "other", ""  # the brace of one member's initialiser; the body comes later
    return "function", function.group("name") or "a function"


def functions(text):
    """[(first line, name, lines)], or None where the braces do not balance."""
    text = blank(text)
    found, stack = [], []  # stack: (what, name, where its head begins, the head)
    head, begin, position = "", 0, 0
    for m in re.finditer(r"[{};]", text):
        inside = bool(stack) and stack[-1][0] in ("function", "inner")
        if not inside:
            if not head.strip():
                head, begin = "", position
            head += text[position:m.start()]
        position = m.end()
        if m.group() == "{":
            stack.append(("inner", "", 0, "") if inside else (*opens(head), begin, head))
            head = ""
        elif m.group() == ";":
            head = ""
        elif not stack:
            return None
        else:
            what, name, start, before = stack.pop()
            if what == "function":
                first = text.count("\n", 0, LABELS.match(text, start).end()) + 1
                found.append((first, name, text.count("\n", 0, m.start()) + 2 - first))
            head, begin = (before + " {}", start) if what == "other" else ("", position)
    return None if stack else found


def check(tree):
    problems = []
    for path in sources(tree, CODE):
        text = tree[path]
        lines = text.count("\n") + (not text.endswith("\n"))
        if lines > FILE_MAX:
            problems.append(f"{path}:{FILE_MAX + 1}: {lines} lines, more than {FILE_MAX}: split it")
        found = functions(text)
        if found is None:
            problems.append(f"{path}:1: braces do not balance (an #if around half a block?), so no function can be measured")
        problems += [f"{path}:{first}: {name} has {count} lines, more than {FUNCTION_MAX}"
                     for first, name, count in found or () if count > FUNCTION_MAX]
    return problems


def _long(before, after="", lines=FUNCTION_MAX + 1):
    """A function of `lines` lines if `before` and `after` are each one."""
    return {"model/x.cc": f"{before}\n" + "  a({1, 2}, \"}\", '{', 1'000);  // }\n" * (lines - 2) + f"}}{after}\n"}


_TWO_LINES = "template <class T = int>\nint F(T a) {"
BROKEN = [
    ({"daemon/http/x.cc": "\n" * (FILE_MAX + 1)}, f"daemon/http/x.cc:{FILE_MAX + 1}: {FILE_MAX + 1} lines"),
    ({"daemon/http/x.cc": "void F() {\n#if A\nif (a) {\n#else\nif (b) {\n#endif\n}\n}\n"}, "braces do not balance"),
    (_long(_TWO_LINES, lines=FUNCTION_MAX), "model/x.cc:1: F has 71 lines"),
] + [(_long(before, after), f"{name} has 71 lines") for before, after, name in [
    ("void F(int a) {", "", "F"), ("static std::vector<A<B>> N::F(O o = {}, int b = 1) const noexcept(true) {", "", "N::F"),
    ("auto F(int a) -> std::map<int, A> {", "", "F"), ("A::A(int a) : a_{a}, b_(B{a}), c_{} {", "", "A::A"),
    ("A::A(std::function<void(int)> f) : Base<A>(f) {", "", "A::A"), ("A::~A() {", "", "A::~A"),
    ("bool operator()(int a, int b) const {", "", "operator_"), ("bool A::operator<(const A& a) const & {", "", "A::operator_"),
    ("[[nodiscard]] decltype(auto) F() requires std::integral<T> {", "", "F"), ("const auto kF = [](int a) {", ";", "a lambda"),
    ("const T kTable[] = {{1, [](int a) -> int {", "}};", "a lambda"), ("struct stat F(int a) {", "", "F"),
    ("namespace n { class A : public B<int(int)> { public: int x_{0}; void F() override {", "}; }", "F"),
    ("namespace { template <class T> requires requires(T t) { t.x(); } void F(T t) {", "}", "F"),
    ("extern \"C\" { void F() { struct L { void G() {", "}; } }", "F"), ("enum class E : int { a }; void F() try {", "", "F"),
    ("const char* k = R\"x( { )\" )x\"; void F() {", "", "F"), ("#define A {\nvoid F() {", "", "F"),
    ("struct alignas(64) S { alignas(8) std::atomic<int> a{0}; void F() {", "};", "F"),
]]
GOOD = [{"daemon/http/x.cc": "\n" * FILE_MAX}, {"bench/x.cc": "\n" * (FILE_MAX + 1), "tests/x.cc": "\n" * (FILE_MAX + 1)},
        _long("void F(int a) {", lines=FUNCTION_MAX), {"tests/x.cc": _long("void F() {")["model/x.cc"]}]
GOOD += [_long(before, after) for before, after in [
    ("const T kTable[] = {", ";"), ("namespace a::b {", ""), ("enum class E : int {", ";"), ("class A final : public B {", ";"),
    ("template <class T> struct A<T()> {", ";"), ("int a[3]{", ";"), ("std::function<void(int)> f{", ";"), ("union {", ";"),
    ("template <class T> concept C = requires(T t) {", ";"), ("extern \"C\" {", ""), ("const auto k = F(A{", ");"),
    ("#define F(a) {\nint a{", ";"),
]]
