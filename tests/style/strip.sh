# strip.sh - to be read by scripts: strip FILE... prints FILE:LINE:TEXT.
# Comments and strings go, but stay where they are in the line.
strip() {
    awk '{
        out = ""; n = length($0)
        for (i = 1; i <= n; i++) {
            two = substr($0, i, 2); c = substr($0, i, 1)
            if (block) { if (two == "*/") { block = 0; i++ } continue }
            if (quote != "") { if (c == "\\") i++; else if (c == quote) quote = ""; continue }
            if (two == "/*") { block = 1; i++; continue }
            if (two == "//") break
            if (c == "\"" || c == "\047") { quote = c; continue }
            out = out c
        }
        quote = ""
        print FILENAME ":" FNR ":" out
    }' "$@"
}
