int knot(int a) {
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    if (a && a > 1) a++;
    return a ? 1 : 0;
}
