/* What the least of an audit's counting costs in C, for streaming.py to be seen beside it.

       gcc -O3    -march=native benchmarks/floor.c -lm -o floor && ./floor
       gcc -Ofast -march=native benchmarks/floor.c -lm -o floor && ./floor

   For each answer the probability in double precision, its calibration bin, and counts by bin, label,
   answer and one of 16 crossed groups: no flips, no second moments, no ranking, nothing read. -Ofast
   lets the compiler take an exponential of four units in the last place, eight at a time. */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N = 262144, A = 40, BINS = 10, GROUPS = 16 };
static float logit[N];
static int8_t label[N];
static uint8_t group[N];
static double p[N], sums[GROUPS * BINS];
static int64_t counts[GROUPS * BINS * 4];

int main(void) {
    for (int i = 0; i < N; i++) {
        logit[i] = 12 * (rand() / (float)RAND_MAX - 0.5f);
        label[i] = rand() & 1;
        group[i] = rand() % GROUPS;
    }
    for (int turn = 0; turn < 5; turn++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int a = 0; a < A; a++) {
            for (int i = 0; i < N; i++) p[i] = 1 / (1 + exp(-(double)logit[i]));
            for (int i = 0; i < N; i++) {
                int bin = (int)(p[i] * BINS);
                int cell = group[i] * BINS + (bin < BINS ? bin : BINS - 1);
                sums[cell] += p[i];
                counts[(cell * 2 + label[i]) * 2 + (logit[i] > 0)]++;
            }
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        double took = (end.tv_sec - start.tv_sec) + 1e-9 * (end.tv_nsec - start.tv_nsec);
        printf("%.1f ns an answer, on one core\n", 1e9 * took / ((double)N * A));
    }
    return sums[0] < 0;
}
