/* SPDX-License-Identifier: MIT
 * A program outside the tree: learns which of two halves of the input is larger, and saves the model. */
#include <lockstep.h>
#include <stdio.h>

enum { ROWS = 8, FEATURES = 4 };

static int fail(const struct lockstep_error *err)
{
    fprintf(stderr, "consumer: %s\n", err->text);
    return (int)err->status;
}

int main(int argc, char **argv)
{
    float x[ROWS * FEATURES], label[ROWS], bias[2], gradient[2];
    struct lockstep_model *model;
    struct lockstep_recipe recipe;
    struct lockstep_error err;
    double first, loss = 0;

    for (int i = 0; i < ROWS * FEATURES; i++)
        x[i] = (i % FEATURES / 2 == i / FEATURES % 2) ? 1.0f : 0.1f * (float)(i % 3);
    for (int r = 0; r < ROWS; r++)
        label[r] = (float)(r % 2);

    lockstep_recipe_init(&recipe);
    recipe.optimizer = "sgd";
    recipe.lr = 0.5;
    if (lockstep_model_new("flatten | linear(8) | relu | linear(2)", 1, FEATURES, 2, &recipe, NULL, &model, &err) ||
        lockstep_set(model, "input", x, ROWS * FEATURES, &err) || lockstep_set(model, "label", label, ROWS, &err) ||
        lockstep_backward(model, &first, &err) || lockstep_grad(model, "3.bias", gradient, 2, &err))
        return fail(&err);
    for (int step = 0; step < 100; step++)
        if (lockstep_step(model, &loss, &err))
            return fail(&err);
    if (lockstep_get(model, "3.bias", bias, 2, &err) || lockstep_model_save(model, argc > 1 ? argv[1] : "model", &err))
        return fail(&err);
    printf("loss %.4f -> %.4f, 3.bias %.4f %.4f, first gradient %.4f %.4f\n", first, loss, (double)bias[0],
           (double)bias[1], (double)gradient[0], (double)gradient[1]);
    lockstep_model_free(model);
    return loss < first / 10 ? 0 : 1;
}
