# Prints the folder `want` and every folder it may reach by src/LAYERS.
/^#/ || !NF { next }
{
    name = $1
    sub(/:$/, "", name)
    deps[name] = $0
    sub(/^[^:]*:/, "", deps[name])
}
END {
    queue[1] = want
    head = 1; tail = 1
    while (head <= tail) {
        f = queue[head++]
        if (f in seen) continue
        seen[f] = 1
        print f
        m = split(deps[f], d, " ")
        for (i = 1; i <= m; i++) queue[++tail] = d[i]
    }
}
