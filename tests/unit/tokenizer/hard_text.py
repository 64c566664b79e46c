"""Lines of text that are hard to tokenize: scripts, marks, spaces, line ends, digits, emoji, code, special tokens, long words. The same on
every machine: seeded, and single characters are drawn from those assigned in Unicode 3.2, which every table in use knows."""
import random
import unicodedata

SCRIPTS = """The quick brown fox jumps over the lazy dog; it's 12:45 and we're late, aren't we? I'LL SAY: THEY'VE GONE.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Straße, ẞ, ﬁnancial, ŉ, ǆ
Voix ambiguë d’un cœur qui au zéphyr préfère les jattes de kiwis — « déjà vu » n°5
Příliš žluťoučký kůň úpěl ďábelské ódy. İstanbul'da ılık bir ĞÜN. Nguyễn Văn Ất đã đến.
Съешь же ещё этих мягких французских булок, да выпей чаю. Їжак й ґанок.
Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. Ὀδυσσεύς, ΣΊΣΥΦΟΣ
דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. اَلسَّلَامُ ﷺ ﷲ ١٢٣٤ ۱۲۳
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। क्ष ज़ १२३
আমার সোনার বাংলা ১২৩ কোথায়। தமிழ் மொழி ௧௨௩ కాకి ಕನ್ನಡ മലയാളം ක්‍ෂ
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ๑๒๓ ກຂຄ ຳ မြန်မာ ភាសាខ្មែរ ་བོད་སྐད་
我能吞下玻璃而不伤身体。第１２３章：《红楼梦》（上）——２０２４年
いろはにほへと ちりぬるを。カタカナ、ｶﾀｶﾅ ﾊﾞﾋﾟ　全角　スペース ㍿ ㌔ が か\u3099
키스의 고유조건은 입술끼리 만나야 하고. 각 한글 가\u11a8
ᚠᛇᚻ᛫ᛒᛦᚦ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ⵜⴰⵎⴰⵣⵉⵖⵜ ქართული ენა Հայերէն አማርኛ 𐍈𐌰𐌹 𐤀𐤁
𝔾𝕠𝕠𝕕 𝕞𝕠𝕣𝕟𝕚𝕟𝕘 ℌ𝖊𝖑𝖑𝖔 x² + y³ ≠ ½·∑ᵢ aᵢⱼ ≤ ∞ ₤ €100 ¥ №7 ™ ⅷ Ⅻ ① ⒜ ⓐ
Ä\u0308 e\u0301\u0323 q\u0307\u0323 o\u0328\u0304 \u1e69 s\u0323\u0307 d\u0307\u0323 a\u0300\u0301\u0302\u0316 \u212b \u2126
\u0344""".splitlines()
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☎︎", "1️⃣", "🧑🏿‍🚀", "✌🏻", "🤷‍♀️", "🫠", "\ufe0f", "\u200d", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u180e", "\u2028", "\u2029",
          "\x0b", "\x0c", "\x85", "\u202f", "\u1680", "\ufeff", "\t\t ", "      ", " " * 20, "\n \n\t"]
CODE = ["for (int i = 0; i < n; ++i) { a[i] += b[i]; }", "def f(x):\n    return x**2  # comment", "<a href=\"x\">y</a>",
        "SELECT * FROM t WHERE a='b';",
        "https://example.org/a/b?c=d&e=%20#f", "C:\\dir\\file.txt", "{\"k\": [1, 2.5e-3, null]}", "x=1;y=-2.50;z=0xFFee",
        "@user #tag $1,234.56 50%",
        "...!!!???", "-----", "====>", "***", "``code``", "_snake_case_", "camelCaseHTTPServer2Go",
        "I'm you're he'd we'll they've it's 'tis 'S 'S 'T"]
SPECIALS = ["<s>", "</s>", "<unk>", "<pad>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "[LEFT]", "[RIGHT]", "[WORD]", "[NORM]",
            "[Both]", "[long]",
            "[longer]", "<|im_", "[LEFT", "<0x41>", "<0x0A>", "▁", "Ġ", "Ċ", "##", "</w>", "\u2047", "ÄÖ", "▁▁", "[norm]", "ＮＯＲＭ"]
DIGITS = ["0", "7", "42", "123", "1234", "12345", "3.14159", "1,000,000", "1e10", "٣٤", "１２３", "²³", "½", "0x1F", "2024-02-29"]


def assigned():
    old = unicodedata.ucd_3_2_0
    return [chr(c) for c in range(0x30000) if old.category(chr(c)) not in ("Cn", "Cs", "Co")]


def piece(rng, chars, words):
    kind = rng.randrange(14)
    if kind == 0:
        return "".join(rng.choice(chars) for _ in range(rng.randrange(1, 6)))
    if kind == 1:
        return rng.choice(EMOJI)
    if kind in (2, 3):
        return rng.choice(SPACES)
    if kind == 4:
        return rng.choice(CODE)
    if kind == 5:
        return rng.choice(SPECIALS)
    if kind == 6:
        return rng.choice(DIGITS)
    if kind == 7:
        line = rng.choice(SCRIPTS)
        begin = rng.randrange(len(line))
        return line[begin:begin + rng.randrange(1, 30)]
    if kind == 8:
        return "".join(rng.choice("aeiouxyz'’-.,é") + rng.choice(["", "\u0301", "\u0323", "\u0308\u0304"]) for _ in range(rng.randrange(1,
                                                                                                                                        8)))
    if kind == 9:
        return rng.choice(words).upper()
    return rng.choice([" ", "", " ", "\n"]) + rng.choice(words)


def lines(n, seed=0):
    rng = random.Random(seed)
    chars = assigned()
    words = sorted({w for line in SCRIPTS[:6] for w in line.split()})
    out = ["", " ", "\n", "a", "\0", "a\0b", "é", "e\u0301", "  a", "a  ", "\u0301", "\u0301a", "\U0010ffff", "\ud7ff\ue000", "▁", " ▁",
           "▁ a", "<s>", " <s> ",
           "<s><s>", "a" * 3000, "ab" * 2000, " " * 3000, "\n" * 500, "1" * 1000, "漢" * 500, "e" + "\u0301" * 400,
           "e" + "\u0323\u0301\u0345" * 100,
           "".join(w[0] for w in words) * 50, "x\u200dy\u200cz", "😀" * 200, "?!" * 700, "\u3000" * 50 + "a"]
    out += SCRIPTS + CODE + EMOJI + SPACES + SPECIALS + DIGITS
    out += [a + s + b for a in ("x", "é", "<s>") for s in SPACES for b in ("y", "7", "")]
    while len(out) < n:
        out.append("".join(piece(rng, chars, words) for _ in range(rng.randrange(1, 16))))
    return out[:n]
